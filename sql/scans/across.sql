-- Statements that look across workspaces: run by the worker, under the policies named with each.

-- name: list_old_access :many
-- Where accesses are past their time: workspaces are told one by one, nothing of what they keep.
SELECT o.workspace_id
FROM scans.list_old_access(:after, :limit) AS o;
