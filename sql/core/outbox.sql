-- Outbox: what happened, for those who listen.
-- Table: core.outbox

-- name: get_moment :one
-- What the transaction sees, as a place in the outbox: what is told later lies behind it.
SELECT pg_current_snapshot()::text AS snapshot;

-- name: get_news :one
-- Whether there is anything to ask for: most looks find nothing, and this one does not cost more the more there are who listen.
SELECT core.has_news(:since) AS found;

-- name: insert_outbox :exec
-- In the transaction that made it happen.
INSERT INTO core.outbox (workspace_id, object_id, kind, detail)
VALUES (:workspace_id, :object_id, :kind, :detail);

-- name: list_news :many
-- Who has something new to read, asked by the process for all that listen to it; see the function.
SELECT n.horizon, n.told_workspace_id, n.kind
FROM core.list_news(:workspace_ids, :since) AS n;

-- name: list_outbox :many
-- In the order of delivery, below the oldest transaction that still runs: what commits late is not skipped.
SELECT o.id, o.object_id, o.created_at, o.xid::text::bigint AS xid, o.detail
FROM core.outbox AS o
WHERE o.workspace_id = :workspace_id
    AND (o.xid, o.id) > (:since_xid::bigint::text::xid8, :since_id::uuid)
    AND o.xid < pg_snapshot_xmin(pg_current_snapshot())
    AND o.kind = :kind
ORDER BY o.xid, o.id
LIMIT :limit;
