-- Statements that look across workspaces: run by the worker, under the policies named with each.

-- name: list_neglected :many
-- Where something waits that no job seems to be about, or is overdue: which workspaces, and nothing else (policy worker_open).
SELECT DISTINCT s.workspace_id
FROM scans.scan AS s
WHERE s.state IN ('QUEUED', 'FETCHING', 'ANALYZING')
    AND (
        (s.state = 'QUEUED' AND s.created_at <= now() - interval '30 seconds')
        OR s.lease_until <= now()
        OR s.deadline_at <= now()
    )
LIMIT :limit;

-- name: list_old_access :many
-- Where accesses are past their time: workspaces are told one by one, nothing of what they keep.
SELECT o.workspace_id
FROM scans.list_old_access(:after, :limit) AS o;

-- name: list_purgeable :many
-- Where scans are older than they are kept: workspaces are told one by one, nothing of what they keep.
SELECT w.workspace_id AS id
FROM scans.list_purgeable(:now, :after, :limit) AS w (workspace_id);
