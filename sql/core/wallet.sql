-- The wallet: credits, what they are held for, and the double-entry books behind them.
-- Tables: core.ledger_account, core.ledger_transfer, core.ledger_entry, core.reservation. Only functions of the owner write them.

-- name: buy_credits :one
-- What the provider was paid for, once for each key.
SELECT b.bought
FROM core.buy_credits(:unit, :amount::bigint, :key) AS b (bought);

-- name: edge_ledger_entry :edge
-- A page of what came into and went out of each wallet, the newest first.
SELECT k.position, e.id, e.kind, e.account, e.amount, e.reason, e.reservation_id, uuid_extract_timestamp(e.id) AS created_at
FROM unnest(:units::text[]) WITH ORDINALITY AS k (unit, position)
CROSS JOIN LATERAL (
    SELECT h.id, t.kind, a.kind AS account, h.amount, t.reason, t.reservation_id
    FROM core.ledger_account AS a
    JOIN core.ledger_entry AS h ON h.workspace_id = a.workspace_id AND h.ledger_account_id = a.id
    JOIN core.ledger_transfer AS t ON t.workspace_id = h.workspace_id AND t.id = h.transfer_id
    WHERE a.workspace_id = :workspace_id
        AND a.unit = k.unit
        AND a.kind IN ('AVAILABLE', 'RESERVED')
        AND h.id < :after_id
    ORDER BY h.id DESC
    LIMIT :limit
) AS e
ORDER BY k.position, e.id DESC;

-- name: edge_reservation :edge
-- For node(id), and for what a function answers.
SELECT r.id, r.amount, r.settled_amount, r.unit, r.status, r.purpose, r.expires_at, r.ended_at,
    uuid_extract_timestamp(r.id) AS created_at
FROM core.reservation AS r
WHERE r.workspace_id = :workspace_id
    AND r.id = ANY(:ids::uuid[]);

-- name: edge_reservation_of_wallet :edge
-- A page of what each wallet holds and held credits for, the newest first.
SELECT k.position, r.id, r.amount, r.settled_amount, r.unit, r.status, r.purpose, r.expires_at, r.ended_at,
    uuid_extract_timestamp(r.id) AS created_at
FROM unnest(:units::text[]) WITH ORDINALITY AS k (unit, position)
CROSS JOIN LATERAL (
    SELECT h.*
    FROM core.reservation AS h
    WHERE h.workspace_id = :workspace_id
        AND h.unit = k.unit
        AND h.id < :after_id
    ORDER BY h.id DESC
    LIMIT :limit
) AS r
ORDER BY k.position, r.id DESC;

-- name: end_reservation :one
-- Settle, release or refund, as the status says.
SELECT e.outcome
FROM core.end_reservation(:id, :status, :amount::bigint) AS e (outcome);

-- name: end_reservations :many
-- Of a batch of work, in one statement: which of them were still held.
SELECT e.id
FROM core.end_reservations(:ids::uuid[], :status) AS e (id);

-- name: expire_reservations :one
-- What was held for too long in the workspace.
SELECT e.expired
FROM core.expire_reservations() AS e (expired);

-- name: get_ledger_check :one
-- The books of everybody, added up again.
SELECT c.accounts, c.wrong_balances, c.wrong_transfers, c.wrong_reserves
FROM core.check_ledger() AS c;

-- name: get_wallet :one
-- A workspace without credits has a wallet too: an empty one.
SELECT
    coalesce(sum(a.balance) FILTER (WHERE a.kind = 'AVAILABLE'), 0)::bigint AS available,
    coalesce(sum(a.balance) FILTER (WHERE a.kind = 'RESERVED'), 0)::bigint AS reserved
FROM core.ledger_account AS a
WHERE a.workspace_id = :workspace_id
    AND a.unit = :unit;

-- name: grant_credits :one
-- By a curator, for any workspace.
SELECT g.transfer_id, g.outcome, g.available
FROM core.grant_credits(:to_workspace_id, :unit, :amount::bigint, :key, :reason) AS g;

-- name: reserve_credits :one
-- Those who would spend from the same wallet take turns here.
SELECT r.reservation_id, r.outcome, r.available
FROM core.reserve_credits(:unit, :amount::bigint, :key, :purpose, :seconds::integer) AS r;
