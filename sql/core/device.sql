-- Devices: keys of browsers and programs that sign what they send.
-- Table: core.device

-- name: edge_device :edge
-- For node(id), for what a mutation answers, and to verify what a device has signed.
SELECT d.id, d.name, d.public_key, d.created_at, d.last_used_at, d.revoked_at
FROM core.device AS d
WHERE d.workspace_id = :workspace_id
    AND d.id = ANY(:ids::uuid[]);

-- name: insert_device :one
-- A key that the workspace knows already, revoked or not, is refused by its constraint.
INSERT INTO core.device (workspace_id, account_id, name, public_key)
VALUES (:workspace_id, :account_id, :name, :public_key)
RETURNING id, name, public_key, created_at, last_used_at, revoked_at;

-- name: page_device :page
-- Newest first, revoked ones too: a list of devices is read to find what to revoke.
SELECT d.id, d.name, d.public_key, d.created_at, d.last_used_at, d.revoked_at
FROM core.device AS d
WHERE d.workspace_id = :workspace_id
    AND d.id < :after_id
ORDER BY d.id DESC
LIMIT :limit;

-- name: revoke_device :one
-- Revoking twice keeps the first moment.
UPDATE core.device AS d
SET revoked_at = coalesce(d.revoked_at, now())
WHERE d.workspace_id = :workspace_id
    AND d.id = :id
RETURNING d.id, d.name, d.public_key, d.created_at, d.last_used_at, d.revoked_at;

-- name: update_device_use :exec
-- Once a minute at most, so that a busy device does not write a row for every scan.
UPDATE core.device AS d
SET last_used_at = now()
WHERE d.workspace_id = :workspace_id
    AND d.id = :id
    AND (d.last_used_at IS NULL OR d.last_used_at < now() - interval '1 minute');
