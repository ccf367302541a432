-- Data keys: what a workspace's secrets are sealed with.
-- Table: core.data_key

-- name: get_data_key :one
-- The workspace's own.
SELECT d.id, d.workspace_id, d.wrapped
FROM core.data_key AS d
WHERE d.workspace_id = :workspace_id;

-- name: insert_data_key :exec
-- Two who seal a workspace's first secret at once make one key: the second waits for the first and uses its.
INSERT INTO core.data_key (workspace_id, id, kek_id, wrapped)
VALUES (:workspace_id, :id, :kek_id, :wrapped)
ON CONFLICT (workspace_id) DO NOTHING;

-- name: list_key_use :many
-- Of all workspaces, and nothing but counts; see the function.
SELECT u.kek_id, u.data_keys
FROM core.key_use() AS u (kek_id, data_keys)
ORDER BY u.kek_id;

-- name: lock_data_keys :many
-- The next that are wrapped with another key, in the order of their ids. Two rotations at once take turns.
SELECT d.id, d.workspace_id, d.wrapped
FROM core.data_key AS d
WHERE d.kek_id <> :kek_id
    AND d.id > :since_id
ORDER BY d.id
LIMIT :limit
FOR UPDATE;

-- name: update_data_keys :exec
-- The same keys, wrapped anew.
UPDATE core.data_key AS d
SET kek_id = :kek_id,
    wrapped = k.wrapped
FROM unnest(:ids::uuid[], :workspace_ids::uuid[], :wrapped::bytea[]) AS k (id, workspace_id, wrapped)
WHERE d.workspace_id = k.workspace_id
    AND d.id = k.id;
