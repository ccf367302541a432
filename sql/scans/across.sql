-- Statements that look across workspaces: run by the worker, under the policies named with each.

-- name: list_old_access :many
-- worker_old: where accesses are past their time. It tells which workspaces, and nothing else.
SELECT DISTINCT a.workspace_id
FROM scans.access AS a
WHERE a.workspace_id > :after::uuid
    AND a.id < core.uuidv7_floor(now() - interval '400 days')
ORDER BY a.workspace_id
LIMIT :limit;
