-- Statements that look across workspaces, run by the worker role. Each says why.

-- name: create_audit_partition :exec
-- Partitions belong to no workspace; without next month's, every mutation of everyone fails.
SELECT core.create_audit_partition((date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => ahead))::date)
FROM generate_series(0, :months_ahead::integer) AS ahead;

-- name: delete_idempotency :exec
-- Keys are kept for seven days in every workspace; the worker's policy shows it no younger ones.
DELETE FROM core.idempotency AS i
WHERE i.created_at < now() - interval '7 days';

-- name: delete_outbox :exec
-- Listeners have seven days to come back, in every workspace; the worker's policy shows it nothing younger.
DELETE FROM core.outbox AS o
WHERE o.created_at < now() - interval '7 days';
