-- The read store: what the committed events up to a position say, one row a thing.
--
-- Amounts are numeric and keep the decimals of their currency. Ids and codes are ordered by their bytes (COLLATE "C"),
-- whatever the database's own locale. What upstream sent as JSON is text, to the letter. Every row that follows from
-- events carries the partition it came from, so that one partition can be written anew.

-- Whose events these are: one row, and a second log can never be mixed in.
CREATE TABLE projection_identity (
    one        boolean PRIMARY KEY DEFAULT true CHECK (one),
    cluster_id text COLLATE "C" NOT NULL,
    prefix     text COLLATE "C" NOT NULL,
    partitions integer NOT NULL
);

-- How far each partition of each event topic is written, and by whom: a projector writes only while `epoch` is its own
-- and `position`, the next offset of the topic, is where it left it.
CREATE TABLE projection_positions (
    aggregate text COLLATE "C" NOT NULL CHECK (aggregate IN ('account', 'transaction')),
    partition integer NOT NULL,
    epoch     bigint NOT NULL,
    position  bigint NOT NULL,
    as_of     timestamptz,  -- of the last event applied; null before the first
    PRIMARY KEY (aggregate, partition)
);

-- Decimals of every currency that an account was opened in.
CREATE TABLE currencies (
    code     text COLLATE "C" PRIMARY KEY,
    decimals smallint NOT NULL
);

CREATE TABLE accounts (
    account_id   text COLLATE "C" PRIMARY KEY,
    version      bigint NOT NULL,
    owner_id     text COLLATE "C" NOT NULL,
    owner_type   text COLLATE "C" NOT NULL,
    account_type text COLLATE "C" NOT NULL,
    currency     text COLLATE "C" NOT NULL,
    status       text COLLATE "C" NOT NULL,
    balance      numeric NOT NULL,
    held         numeric NOT NULL,  -- the sum of its holds that are PLACED, also of those whose time is past
    min_balance  numeric,
    max_balance  numeric,
    metadata     text,
    partition    integer NOT NULL,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL
) WITH (fillfactor = 80);

CREATE INDEX accounts_by_owner ON accounts (owner_id, owner_type, account_id);

-- The ledger: every posting, written once. Time never runs backwards within an account, so the order by time is the
-- order by version.
CREATE TABLE entries (
    account_id     text COLLATE "C" NOT NULL,
    version        bigint NOT NULL,
    partition      integer NOT NULL,
    change_type    text COLLATE "C" NOT NULL,
    amount         numeric NOT NULL,
    balance_before numeric NOT NULL,
    balance_after  numeric NOT NULL,
    currency       text COLLATE "C" NOT NULL,
    reason         text NOT NULL,
    reference      text,
    transaction_id text COLLATE "C",  -- with `leg`, of postings that are part of a transaction
    leg            smallint,
    forced         boolean NOT NULL,
    metadata       text,
    at             timestamptz NOT NULL,
    correlation_id text COLLATE "C" NOT NULL,
    causation_id   text COLLATE "C" NOT NULL,
    PRIMARY KEY (account_id, version)
);

CREATE INDEX entries_by_time ON entries (account_id, at, version);

CREATE TABLE holds (
    account_id      text COLLATE "C" NOT NULL,
    hold_id         text COLLATE "C" NOT NULL,
    partition       integer NOT NULL,
    amount          numeric NOT NULL,
    currency        text COLLATE "C" NOT NULL,
    expires_at      timestamptz NOT NULL,
    transaction_id  text COLLATE "C" NOT NULL,
    status          text COLLATE "C" NOT NULL CHECK (status IN ('PLACED', 'CAPTURED', 'RELEASED')),
    captured_amount numeric,           -- of a capture
    release_reason  text COLLATE "C",  -- of a release; of a capture when there was a rest
    placed_at       timestamptz NOT NULL,
    ended_at        timestamptz,
    PRIMARY KEY (account_id, hold_id)
);

CREATE INDEX holds_placed ON holds (account_id) INCLUDE (amount) WHERE status = 'PLACED';

CREATE TABLE transactions (
    transaction_id  text COLLATE "C" PRIMARY KEY,
    version         bigint NOT NULL,
    type            text COLLATE "C" NOT NULL,
    status          text COLLATE "C" NOT NULL,
    amount          numeric,           -- as it was asked for until an event says it with all decimals; null: all that is left
    currency        text COLLATE "C" NOT NULL,
    request         text NOT NULL,     -- data of the event that began it, as it stands there
    parent_id       text COLLATE "C",  -- of a refund: the payment
    legs            jsonb NOT NULL,    -- posted legs by number: {"1": {accountId, changeType, amount, balanceBefore, balanceAfter, postedAt}}
    captured_amount numeric,           -- of a payment that is completed
    refunded_amount numeric,           -- of a payment with refunds: the sum of those that are SETTLED
    hold_expires_at timestamptz,       -- of a payment that was authorized
    error_code      text COLLATE "C",  -- of one that failed or was compensated
    reason          text,              -- why it failed, was compensated or voided
    partition       integer NOT NULL,
    requested_at    timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    ended_at        timestamptz        -- of COMPLETED, VOIDED, EXPIRED, FAILED, COMPENSATED
) WITH (fillfactor = 80);

CREATE INDEX transactions_by_time ON transactions (requested_at, transaction_id);
CREATE INDEX transactions_by_status ON transactions (status, requested_at, transaction_id);
CREATE INDEX transactions_by_parent ON transactions (parent_id) WHERE parent_id IS NOT NULL;

-- The accounts that a transaction names, or has posted to; `requested_at` is the transaction's.
CREATE TABLE transaction_accounts (
    transaction_id text COLLATE "C" NOT NULL,
    account_id     text COLLATE "C" NOT NULL,
    partition      integer NOT NULL,
    requested_at   timestamptz NOT NULL,
    PRIMARY KEY (transaction_id, account_id)
);

CREATE INDEX transaction_accounts_by_time ON transaction_accounts (account_id, requested_at, transaction_id);

-- What each refund takes of a payment, as the payment has it.
CREATE TABLE refunds (
    transaction_id text COLLATE "C" NOT NULL,  -- the payment
    refund_id      text COLLATE "C" NOT NULL,  -- the refund's own transaction
    partition      integer NOT NULL,
    amount         numeric NOT NULL,
    status         text COLLATE "C" NOT NULL CHECK (status IN ('RESERVED', 'SETTLED', 'RELEASED')),
    PRIMARY KEY (transaction_id, refund_id)
);
