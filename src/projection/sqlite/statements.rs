//! Every statement that writes, of constant text. Rows come as one JSON array of objects, one statement a table, which
//! `jsonb_each` keeps parsed: `json_each` would make text of each row, and every column would be sought in that anew.
//! What is null in a change stays as it is in the row.

/// Raises the epochs.
pub(super) const CLAIM: &str = "
INSERT INTO projection_positions (aggregate, partition, epoch, position)
SELECT value ->> 'aggregate', ?1, 1, value ->> 'start' FROM jsonb_each(?2) WHERE true
ON CONFLICT (aggregate, partition) DO UPDATE SET epoch = projection_positions.epoch + 1
RETURNING aggregate, epoch, position";

/// Moves the positions of whoever may.
pub(super) const ADVANCE: &str = "
UPDATE projection_positions AS p
SET position = c.value ->> 'next',
    as_of = CASE WHEN c.value ->> 'cleared' THEN c.value ->> 'as_of' ELSE coalesce(c.value ->> 'as_of', p.as_of) END
FROM jsonb_each(?2) AS c
WHERE p.aggregate = c.value ->> 'aggregate' AND p.partition = ?1 AND p.epoch = c.value ->> 'epoch'
    AND p.position = c.value ->> 'expected'";

/// All rows of one partition, by aggregate.
pub(super) const CLEAR: [&[&str]; 2] = [
    &[
        "DELETE FROM holds WHERE partition = ?1",
        "DELETE FROM accounts WHERE partition = ?1",
        "DELETE FROM entries WHERE partition = ?1",
    ],
    &[
        "DELETE FROM refunds WHERE partition = ?1",
        "DELETE FROM transactions WHERE partition = ?1",
        "DELETE FROM transaction_accounts WHERE partition = ?1",
    ],
];

/// Decimals by code.
pub(super) const CURRENCIES: &str = "
INSERT INTO currencies (code, decimals)
SELECT value ->> 'code', value ->> 'decimals' FROM jsonb_each(?1) WHERE true
ON CONFLICT (code) DO UPDATE SET decimals = excluded.decimals WHERE currencies.decimals <> excluded.decimals";

/// A hold that begins.
pub(super) const PLACE_HOLDS: &str = "
INSERT INTO holds (account_id, hold_id, partition, amount, currency, expires_at, transaction_id, status,
    captured_amount, release_reason, placed_at, ended_at)
SELECT value ->> 'account_id', value ->> 'hold_id', ?1, value ->> 'amount', value ->> 'currency',
    value ->> 'expires_at', value ->> 'hold_id', value ->> 'status', value ->> 'captured_amount',
    value ->> 'release_reason', value ->> 'placed_at', value ->> 'ended_at'
FROM jsonb_each(?2) WHERE true
ON CONFLICT (account_id, hold_id) DO UPDATE SET partition = excluded.partition, amount = excluded.amount,
    currency = excluded.currency, expires_at = excluded.expires_at, transaction_id = excluded.transaction_id,
    status = excluded.status, captured_amount = excluded.captured_amount, release_reason = excluded.release_reason,
    placed_at = excluded.placed_at, ended_at = excluded.ended_at";

/// A hold that was placed before.
pub(super) const END_HOLDS: &str = "
UPDATE holds AS h
SET status = c.value ->> 'status', captured_amount = coalesce(c.value ->> 'captured_amount', h.captured_amount),
    release_reason = c.value ->> 'release_reason', ended_at = c.value ->> 'ended_at', partition = ?1
FROM jsonb_each(?2) AS c
WHERE h.account_id = c.value ->> 'account_id' AND h.hold_id = c.value ->> 'hold_id'";

/// What is set aside, hold by hold: sums of text are not for SQLite.
pub(super) const PLACED: &str = "
SELECT account_id, amount FROM holds
WHERE status = 'PLACED' AND account_id IN (SELECT value FROM json_each(?1))";

/// An account that begins.
pub(super) const OPEN_ACCOUNTS: &str = "
INSERT INTO accounts (account_id, version, owner_id, owner_type, account_type, currency, status, balance, held,
    min_balance, max_balance, metadata, partition, created_at, updated_at)
SELECT value ->> 'account_id', value ->> 'version', value ->> 'owner_id', value ->> 'owner_type',
    value ->> 'account_type', value ->> 'currency', value ->> 'status', value ->> 'balance', value ->> 'held',
    value ->> 'min_balance', value ->> 'max_balance', value ->> 'metadata', ?1, value ->> 'created_at',
    value ->> 'updated_at'
FROM jsonb_each(?2) WHERE true
ON CONFLICT (account_id) DO UPDATE SET version = excluded.version, owner_id = excluded.owner_id,
    owner_type = excluded.owner_type, account_type = excluded.account_type, currency = excluded.currency,
    status = excluded.status, balance = excluded.balance, held = excluded.held, min_balance = excluded.min_balance,
    max_balance = excluded.max_balance, metadata = excluded.metadata, partition = excluded.partition,
    created_at = excluded.created_at, updated_at = excluded.updated_at";

/// An account that was opened before.
pub(super) const CHANGE_ACCOUNTS: &str = "
UPDATE accounts AS a
SET version = c.value ->> 'version', updated_at = c.value ->> 'updated_at', partition = ?1,
    balance = coalesce(c.value ->> 'balance', a.balance), status = coalesce(c.value ->> 'status', a.status),
    min_balance = CASE WHEN c.value ->> 'limited' THEN c.value ->> 'min_balance' ELSE a.min_balance END,
    max_balance = CASE WHEN c.value ->> 'limited' THEN c.value ->> 'max_balance' ELSE a.max_balance END,
    held = coalesce(c.value ->> 'held', a.held)
FROM jsonb_each(?2) AS c
WHERE a.account_id = c.value ->> 'account_id'";

/// The decimals of an account are those of its balance.
pub(super) const BALANCES: &str =
    "SELECT account_id, balance FROM accounts WHERE account_id IN (SELECT value FROM json_each(?1))";

/// Postings.
pub(super) const ENTRIES: &str = "
INSERT INTO entries (account_id, version, partition, change_type, amount, balance_before, balance_after, currency,
    reason, reference, transaction_id, leg, forced, metadata, at, correlation_id, causation_id)
SELECT value ->> 'account_id', value ->> 'version', ?1, value ->> 'change_type', value ->> 'amount',
    value ->> 'balance_before', value ->> 'balance_after', value ->> 'currency', value ->> 'reason',
    value ->> 'reference', value ->> 'transaction_id', value ->> 'leg', value ->> 'forced', value ->> 'metadata',
    value ->> 'at', value ->> 'correlation_id', value ->> 'causation_id'
FROM jsonb_each(?2) WHERE true
ON CONFLICT (account_id, version) DO UPDATE SET partition = excluded.partition, change_type = excluded.change_type,
    amount = excluded.amount, balance_before = excluded.balance_before, balance_after = excluded.balance_after,
    currency = excluded.currency, reason = excluded.reason, reference = excluded.reference,
    transaction_id = excluded.transaction_id, leg = excluded.leg, forced = excluded.forced,
    metadata = excluded.metadata, at = excluded.at, correlation_id = excluded.correlation_id,
    causation_id = excluded.causation_id";

/// What payments promise to refunds.
pub(super) const REFUNDS: &str = "
INSERT INTO refunds (transaction_id, refund_id, partition, amount, status)
SELECT value ->> 'transaction_id', value ->> 'refund_id', ?1, value ->> 'amount', value ->> 'status'
FROM jsonb_each(?2) WHERE true
ON CONFLICT (transaction_id, refund_id) DO UPDATE SET partition = excluded.partition, amount = excluded.amount,
    status = excluded.status";

/// All refunds of some payments.
pub(super) const REFUNDED: &str = "
SELECT transaction_id, CASE status WHEN 'SETTLED' THEN amount END, amount FROM refunds
WHERE transaction_id IN (SELECT value FROM json_each(?1))";

/// A transaction that begins.
pub(super) const BEGIN_TRANSACTIONS: &str = "
INSERT INTO transactions (transaction_id, version, type, status, amount, currency, request, parent_id, legs,
    captured_amount, refunded_amount, hold_expires_at, error_code, reason, partition, requested_at, updated_at, ended_at)
SELECT value ->> 'transaction_id', value ->> 'version', value ->> 'type', value ->> 'status', value ->> 'amount',
    value ->> 'currency', value ->> 'request', value ->> 'parent_id', value ->> 'legs',
    value ->> 'captured_amount', value ->> 'refunded_amount', value ->> 'hold_expires_at', value ->> 'error_code',
    value ->> 'reason', ?1, value ->> 'requested_at', value ->> 'updated_at', value ->> 'ended_at'
FROM jsonb_each(?2) WHERE true
ON CONFLICT (transaction_id) DO UPDATE SET version = excluded.version, type = excluded.type, status = excluded.status,
    amount = excluded.amount, currency = excluded.currency, request = excluded.request,
    parent_id = excluded.parent_id, legs = excluded.legs, captured_amount = excluded.captured_amount,
    refunded_amount = excluded.refunded_amount, hold_expires_at = excluded.hold_expires_at,
    error_code = excluded.error_code, reason = excluded.reason, partition = excluded.partition,
    requested_at = excluded.requested_at, updated_at = excluded.updated_at, ended_at = excluded.ended_at";

/// A transaction that began before. The first leg says how much moves, unless that was authorized.
pub(super) const CHANGE_TRANSACTIONS: &str = "
UPDATE transactions AS t
SET version = c.value ->> 'version', updated_at = c.value ->> 'updated_at', partition = ?1,
    status = coalesce(c.value ->> 'status', t.status),
    error_code = CASE WHEN c.value ->> 'status' IS NULL THEN t.error_code ELSE c.value ->> 'error_code' END,
    reason = CASE WHEN c.value ->> 'status' IS NULL THEN t.reason ELSE c.value ->> 'reason' END,
    ended_at = CASE WHEN c.value ->> 'status' IS NULL THEN t.ended_at ELSE c.value ->> 'ended_at' END,
    amount = coalesce(c.value ->> 'authorized',
        CASE WHEN t.hold_expires_at IS NULL THEN c.value ->> 'first_leg' END, t.amount),
    hold_expires_at = coalesce(c.value ->> 'hold_expires_at', t.hold_expires_at),
    legs = json_patch(t.legs, c.value ->> 'legs'),
    captured_amount = coalesce(c.value ->> 'captured_amount', t.captured_amount),
    refunded_amount = coalesce(c.value ->> 'refunded_amount', t.refunded_amount)
FROM jsonb_each(?2) AS c
WHERE t.transaction_id = c.value ->> 'transaction_id'";

/// Who takes part; the transactions stand already.
pub(super) const PARTICIPANTS: &str = "
INSERT INTO transaction_accounts (transaction_id, account_id, partition, requested_at)
SELECT c.value ->> 'transaction_id', c.value ->> 'account_id', ?1, t.requested_at
FROM jsonb_each(?2) AS c JOIN transactions AS t ON t.transaction_id = c.value ->> 'transaction_id' WHERE true
ON CONFLICT (transaction_id, account_id) DO UPDATE SET partition = excluded.partition,
    requested_at = excluded.requested_at";
