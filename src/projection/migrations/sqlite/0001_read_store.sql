-- The read store: what the committed events up to a position say, one row a thing.
--
-- Amounts are text, with the decimals of their currency. Times are milliseconds since the Unix epoch. Text is ordered by
-- its bytes. What upstream sent as JSON stands here to the letter. Every row that follows from events carries the
-- partition it came from, so that one partition can be written anew.

-- Whose events these are: one row, and a second log can never be mixed in.
CREATE TABLE projection_identity (
    one        integer PRIMARY KEY DEFAULT 1 CHECK (one = 1),
    cluster_id text NOT NULL,
    prefix     text NOT NULL,
    partitions integer NOT NULL
) STRICT, WITHOUT ROWID;

-- How far each partition of each event topic is written, and by whom: a projector writes only while `epoch` is its own
-- and `position`, the next offset of the topic, is where it left it.
CREATE TABLE projection_positions (
    aggregate text NOT NULL CHECK (aggregate IN ('account', 'transaction')),
    partition integer NOT NULL,
    epoch     integer NOT NULL,
    position  integer NOT NULL,
    as_of     integer,  -- of the last event applied; null before the first
    PRIMARY KEY (aggregate, partition)
) STRICT, WITHOUT ROWID;

-- Decimals of every currency that an account was opened in.
CREATE TABLE currencies (
    code     text PRIMARY KEY,
    decimals integer NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE accounts (
    account_id   text PRIMARY KEY,
    version      integer NOT NULL,
    owner_id     text NOT NULL,
    owner_type   text NOT NULL,
    account_type text NOT NULL,
    currency     text NOT NULL,
    status       text NOT NULL,
    balance      text NOT NULL,
    held         text NOT NULL,  -- the sum of its holds that are PLACED, also of those whose time is past
    min_balance  text,
    max_balance  text,
    metadata     text,
    partition    integer NOT NULL,
    created_at   integer NOT NULL,
    updated_at   integer NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX accounts_by_owner ON accounts (owner_id, owner_type, account_id);

-- The ledger: every posting, written once. Time never runs backwards within an account, so the order by time is the
-- order by version.
CREATE TABLE entries (
    account_id     text NOT NULL,
    version        integer NOT NULL,
    partition      integer NOT NULL,
    change_type    text NOT NULL,
    amount         text NOT NULL,
    balance_before text NOT NULL,
    balance_after  text NOT NULL,
    currency       text NOT NULL,
    reason         text NOT NULL,
    reference      text,
    transaction_id text,  -- with `leg`, of postings that are part of a transaction
    leg            integer,
    forced         integer NOT NULL CHECK (forced IN (0, 1)),
    metadata       text,
    at             integer NOT NULL,
    correlation_id text NOT NULL,
    causation_id   text NOT NULL,
    PRIMARY KEY (account_id, version)
) STRICT, WITHOUT ROWID;

CREATE INDEX entries_by_time ON entries (account_id, at, version);

CREATE TABLE holds (
    account_id      text NOT NULL,
    hold_id         text NOT NULL,
    partition       integer NOT NULL,
    amount          text NOT NULL,
    currency        text NOT NULL,
    expires_at      integer NOT NULL,
    transaction_id  text NOT NULL,
    status          text NOT NULL CHECK (status IN ('PLACED', 'CAPTURED', 'RELEASED')),
    captured_amount text,  -- of a capture
    release_reason  text,  -- of a release; of a capture when there was a rest
    placed_at       integer NOT NULL,
    ended_at        integer,
    PRIMARY KEY (account_id, hold_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX holds_placed ON holds (account_id) WHERE status = 'PLACED';

CREATE TABLE transactions (
    transaction_id  text PRIMARY KEY,
    version         integer NOT NULL,
    type            text NOT NULL,
    status          text NOT NULL,
    amount          text,           -- as it was asked for until an event says it with all decimals; null: all that is left
    currency        text NOT NULL,
    request         text NOT NULL,  -- data of the event that began it, as it stands there
    parent_id       text,           -- of a refund: the payment
    legs            text NOT NULL,  -- posted legs by number: {"1": {accountId, changeType, amount, balanceBefore, balanceAfter, postedAt}}
    captured_amount text,           -- of a payment that is completed
    refunded_amount text,           -- of a payment with refunds: the sum of those that are SETTLED
    hold_expires_at integer,        -- of a payment that was authorized
    error_code      text,           -- of one that failed or was compensated
    reason          text,           -- why it failed, was compensated or voided
    partition       integer NOT NULL,
    requested_at    integer NOT NULL,
    updated_at      integer NOT NULL,
    ended_at        integer         -- of COMPLETED, VOIDED, EXPIRED, FAILED, COMPENSATED
) STRICT, WITHOUT ROWID;

CREATE INDEX transactions_by_time ON transactions (requested_at, transaction_id);
CREATE INDEX transactions_by_status ON transactions (status, requested_at, transaction_id);
CREATE INDEX transactions_by_parent ON transactions (parent_id) WHERE parent_id IS NOT NULL;

-- The accounts that a transaction names, or has posted to; `requested_at` is the transaction's.
CREATE TABLE transaction_accounts (
    transaction_id text NOT NULL,
    account_id     text NOT NULL,
    partition      integer NOT NULL,
    requested_at   integer NOT NULL,
    PRIMARY KEY (transaction_id, account_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX transaction_accounts_by_time ON transaction_accounts (account_id, requested_at, transaction_id);

-- What each refund takes of a payment, as the payment has it.
CREATE TABLE refunds (
    transaction_id text NOT NULL,  -- the payment
    refund_id      text NOT NULL,  -- the refund's own transaction
    partition      integer NOT NULL,
    amount         text NOT NULL,
    status         text NOT NULL CHECK (status IN ('RESERVED', 'SETTLED', 'RELEASED')),
    PRIMARY KEY (transaction_id, refund_id)
) STRICT, WITHOUT ROWID;
