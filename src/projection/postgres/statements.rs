//! Every statement that writes, of constant text, so that each is prepared once a connection. Rows come as one array a
//! column. What is null in a change stays as it is in the row.

/// Raises the epochs.
pub(super) const CLAIM: &str = "
INSERT INTO projection_positions (aggregate, partition, epoch, position)
SELECT c.aggregate, $1, 1, c.start FROM unnest($2::text[], $3::bigint[]) AS c (aggregate, start)
ON CONFLICT (aggregate, partition) DO UPDATE SET epoch = projection_positions.epoch + 1
RETURNING aggregate, epoch, position";

/// Moves the positions of whoever may.
pub(super) const ADVANCE: &str = "
UPDATE projection_positions p
SET position = c.next, as_of = CASE WHEN c.cleared THEN c.as_of ELSE coalesce(c.as_of, p.as_of) END
FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::timestamptz[], $7::boolean[])
    AS c (aggregate, epoch, expected, next, as_of, cleared)
WHERE p.aggregate = c.aggregate AND p.partition = $1 AND p.epoch = c.epoch AND p.position = c.expected";

/// All rows of one partition, by aggregate.
pub(super) const CLEAR: [&[&str]; 2] = [
    &[
        "DELETE FROM holds WHERE partition = $1",
        "DELETE FROM accounts WHERE partition = $1",
        "DELETE FROM entries WHERE partition = $1",
    ],
    &[
        "DELETE FROM refunds WHERE partition = $1",
        "DELETE FROM transactions WHERE partition = $1",
        "DELETE FROM transaction_accounts WHERE partition = $1",
    ],
];

/// Locks a row only where it is wrong: all partitions write these.
pub(super) const CURRENCIES: &str = "
INSERT INTO currencies (code, decimals)
SELECT * FROM unnest($1::text[], $2::smallint[])
ON CONFLICT (code) DO UPDATE SET decimals = excluded.decimals WHERE currencies.decimals <> excluded.decimals";

/// A hold that begins.
pub(super) const PLACE_HOLDS: &str = "
INSERT INTO holds (account_id, hold_id, partition, amount, currency, expires_at, transaction_id, status,
    captured_amount, release_reason, placed_at, ended_at)
SELECT c.account_id, c.hold_id, $1, c.amount, c.currency, c.expires_at, c.hold_id, c.status,
    c.captured_amount, c.release_reason, c.placed_at, c.ended_at
FROM unnest($2::text[], $3::text[], $4::numeric[], $5::text[], $6::timestamptz[], $7::text[], $8::numeric[], $9::text[],
    $10::timestamptz[], $11::timestamptz[])
    AS c (account_id, hold_id, amount, currency, expires_at, status, captured_amount, release_reason, placed_at, ended_at)
ON CONFLICT (account_id, hold_id) DO UPDATE SET partition = excluded.partition, amount = excluded.amount,
    currency = excluded.currency, expires_at = excluded.expires_at, transaction_id = excluded.transaction_id,
    status = excluded.status, captured_amount = excluded.captured_amount, release_reason = excluded.release_reason,
    placed_at = excluded.placed_at, ended_at = excluded.ended_at";

/// A hold that was placed before.
pub(super) const END_HOLDS: &str = "
UPDATE holds h
SET status = c.status, captured_amount = coalesce(c.captured_amount, h.captured_amount),
    release_reason = c.release_reason, ended_at = c.ended_at, partition = $1
FROM unnest($2::text[], $3::text[], $4::text[], $5::numeric[], $6::text[], $7::timestamptz[])
    AS c (account_id, hold_id, status, captured_amount, release_reason, ended_at)
WHERE h.account_id = c.account_id AND h.hold_id = c.hold_id";

/// An account that begins; its holds stand already.
pub(super) const OPEN_ACCOUNTS: &str = "
INSERT INTO accounts (account_id, version, owner_id, owner_type, account_type, currency, status, balance, held,
    min_balance, max_balance, metadata, partition, created_at, updated_at)
SELECT c.account_id, c.version, c.owner_id, c.owner_type, c.account_type, c.currency, c.status, c.balance,
    round(coalesce((SELECT sum(h.amount) FROM holds h WHERE h.account_id = c.account_id AND h.status = 'PLACED'), 0),
        scale(c.balance)),
    c.min_balance, c.max_balance, c.metadata, $1, c.created_at, c.updated_at
FROM unnest($2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::numeric[],
    $10::numeric[], $11::numeric[], $12::text[], $13::timestamptz[], $14::timestamptz[])
    AS c (account_id, version, owner_id, owner_type, account_type, currency, status, balance,
        min_balance, max_balance, metadata, created_at, updated_at)
ON CONFLICT (account_id) DO UPDATE SET version = excluded.version, owner_id = excluded.owner_id,
    owner_type = excluded.owner_type, account_type = excluded.account_type, currency = excluded.currency,
    status = excluded.status, balance = excluded.balance, held = excluded.held, min_balance = excluded.min_balance,
    max_balance = excluded.max_balance, metadata = excluded.metadata, partition = excluded.partition,
    created_at = excluded.created_at, updated_at = excluded.updated_at";

/// An account that was opened before.
pub(super) const CHANGE_ACCOUNTS: &str = "
UPDATE accounts a
SET version = c.version, updated_at = c.updated_at, partition = $1,
    balance = coalesce(c.balance, a.balance), status = coalesce(c.status, a.status),
    min_balance = CASE WHEN c.limited THEN c.min_balance ELSE a.min_balance END,
    max_balance = CASE WHEN c.limited THEN c.max_balance ELSE a.max_balance END,
    held = CASE WHEN c.recount THEN
        round(coalesce((SELECT sum(h.amount) FROM holds h WHERE h.account_id = c.account_id AND h.status = 'PLACED'), 0),
            scale(coalesce(c.balance, a.balance)))
        ELSE a.held END
FROM unnest($2::text[], $3::bigint[], $4::timestamptz[], $5::numeric[], $6::text[], $7::boolean[], $8::numeric[],
    $9::numeric[], $10::boolean[])
    AS c (account_id, version, updated_at, balance, status, limited, min_balance, max_balance, recount)
WHERE a.account_id = c.account_id";

/// Postings.
pub(super) const ENTRIES: &str = "
INSERT INTO entries (account_id, version, partition, change_type, amount, balance_before, balance_after, currency,
    reason, reference, transaction_id, leg, forced, metadata, at, correlation_id, causation_id)
SELECT c.account_id, c.version, $1, c.change_type, c.amount, c.balance_before, c.balance_after, c.currency,
    c.reason, c.reference, c.transaction_id, c.leg, c.forced, c.metadata, c.at, c.correlation_id, c.causation_id
FROM unnest($2::text[], $3::bigint[], $4::text[], $5::numeric[], $6::numeric[], $7::numeric[], $8::text[], $9::text[],
    $10::text[], $11::text[], $12::smallint[], $13::boolean[], $14::text[], $15::timestamptz[], $16::text[], $17::text[])
    AS c (account_id, version, change_type, amount, balance_before, balance_after, currency, reason, reference,
        transaction_id, leg, forced, metadata, at, correlation_id, causation_id)
ON CONFLICT (account_id, version) DO UPDATE SET partition = excluded.partition, change_type = excluded.change_type,
    amount = excluded.amount, balance_before = excluded.balance_before, balance_after = excluded.balance_after,
    currency = excluded.currency, reason = excluded.reason, reference = excluded.reference,
    transaction_id = excluded.transaction_id, leg = excluded.leg, forced = excluded.forced,
    metadata = excluded.metadata, at = excluded.at, correlation_id = excluded.correlation_id,
    causation_id = excluded.causation_id";

/// What payments promise to refunds.
pub(super) const REFUNDS: &str = "
INSERT INTO refunds (transaction_id, refund_id, partition, amount, status)
SELECT c.transaction_id, c.refund_id, $1, c.amount, c.status
FROM unnest($2::text[], $3::text[], $4::numeric[], $5::text[]) AS c (transaction_id, refund_id, amount, status)
ON CONFLICT (transaction_id, refund_id) DO UPDATE SET partition = excluded.partition, amount = excluded.amount,
    status = excluded.status";

/// A transaction that begins; its refunds stand already.
pub(super) const BEGIN_TRANSACTIONS: &str = "
INSERT INTO transactions (transaction_id, version, type, status, amount, currency, request, parent_id, legs,
    captured_amount, refunded_amount, hold_expires_at, error_code, reason, partition, requested_at, updated_at, ended_at)
SELECT c.transaction_id, c.version, c.type, c.status, c.amount, c.currency, c.request, c.parent_id, c.legs::jsonb,
    c.captured_amount,
    (SELECT round(coalesce(sum(r.amount) FILTER (WHERE r.status = 'SETTLED'), 0), max(scale(r.amount)))
        FROM refunds r WHERE r.transaction_id = c.transaction_id),
    c.hold_expires_at, c.error_code, c.reason, $1, c.requested_at, c.updated_at, c.ended_at
FROM unnest($2::text[], $3::bigint[], $4::text[], $5::text[], $6::numeric[], $7::text[], $8::text[], $9::text[],
    $10::text[], $11::numeric[], $12::timestamptz[], $13::text[], $14::text[], $15::timestamptz[], $16::timestamptz[],
    $17::timestamptz[])
    AS c (transaction_id, version, type, status, amount, currency, request, parent_id, legs, captured_amount,
        hold_expires_at, error_code, reason, requested_at, updated_at, ended_at)
ON CONFLICT (transaction_id) DO UPDATE SET version = excluded.version, type = excluded.type, status = excluded.status,
    amount = excluded.amount, currency = excluded.currency, request = excluded.request,
    parent_id = excluded.parent_id, legs = excluded.legs, captured_amount = excluded.captured_amount,
    refunded_amount = excluded.refunded_amount, hold_expires_at = excluded.hold_expires_at,
    error_code = excluded.error_code, reason = excluded.reason, partition = excluded.partition,
    requested_at = excluded.requested_at, updated_at = excluded.updated_at, ended_at = excluded.ended_at";

/// A transaction that began before. The first leg says how much moves, unless that was authorized.
pub(super) const CHANGE_TRANSACTIONS: &str = "
UPDATE transactions t
SET version = c.version, updated_at = c.updated_at, partition = $1,
    status = coalesce(c.status, t.status),
    error_code = CASE WHEN c.status IS NULL THEN t.error_code ELSE c.error_code END,
    reason = CASE WHEN c.status IS NULL THEN t.reason ELSE c.reason END,
    ended_at = CASE WHEN c.status IS NULL THEN t.ended_at ELSE c.ended_at END,
    amount = coalesce(c.authorized, CASE WHEN t.hold_expires_at IS NULL THEN c.first_leg END, t.amount),
    hold_expires_at = coalesce(c.hold_expires_at, t.hold_expires_at),
    legs = t.legs || c.legs::jsonb,
    captured_amount = coalesce(c.captured_amount, t.captured_amount),
    refunded_amount = CASE WHEN c.recount THEN
        (SELECT round(coalesce(sum(r.amount) FILTER (WHERE r.status = 'SETTLED'), 0), max(scale(r.amount)))
            FROM refunds r WHERE r.transaction_id = c.transaction_id)
        ELSE t.refunded_amount END
FROM unnest($2::text[], $3::bigint[], $4::timestamptz[], $5::text[], $6::text[], $7::text[], $8::timestamptz[],
    $9::numeric[], $10::timestamptz[], $11::numeric[], $12::text[], $13::numeric[], $14::boolean[])
    AS c (transaction_id, version, updated_at, status, error_code, reason, ended_at, authorized, hold_expires_at,
        first_leg, legs, captured_amount, recount)
WHERE t.transaction_id = c.transaction_id";

/// Who takes part; the transactions stand already.
pub(super) const PARTICIPANTS: &str = "
INSERT INTO transaction_accounts (transaction_id, account_id, partition, requested_at)
SELECT c.transaction_id, c.account_id, $1, t.requested_at
FROM unnest($2::text[], $3::text[]) AS c (transaction_id, account_id) JOIN transactions t USING (transaction_id)
ON CONFLICT (transaction_id, account_id) DO UPDATE SET partition = excluded.partition,
    requested_at = excluded.requested_at";
