-- Retention: how long a workspace keeps its scans, and what is left of those that it kept no longer.
-- Tables: scans.retention, scans.purged_scan

-- name: delete_old_scan :one
-- What is no longer kept, with all that came of it; see the function, for no login may delete any itself.
SELECT scans.purge_scan(:now::timestamptz, :limit::integer) AS count;

-- name: get_retention :one
-- A year where nothing was chosen.
SELECT coalesce((SELECT r.keep FROM scans.retention AS r WHERE r.workspace_id = :workspace_id), 'ONE_YEAR') AS keep;

-- name: page_purged_scan :page
-- The newest scan first.
SELECT p.id, p.state, p.finished_at, p.purged_at
FROM scans.purged_scan AS p
WHERE p.workspace_id = :workspace_id
    AND p.id < :after_id
ORDER BY p.id DESC
LIMIT :limit;

-- name: upsert_retention :one
-- What is older than chosen goes with the next purge.
INSERT INTO scans.retention AS r (workspace_id, keep)
VALUES (:workspace_id, :keep)
ON CONFLICT (workspace_id) DO UPDATE
SET keep = excluded.keep
RETURNING r.keep;
