-- API keys: an extension acting for a workspace.
-- Table: core.api_key

-- name: edge_api_key :edge
-- For node(id) and for what a mutation answers.
SELECT a.id, a.name, a.hint, a.scopes, a.created_at, a.expires_at, a.last_used_at, a.revoked_at
FROM core.api_key AS a
WHERE a.workspace_id = :workspace_id
    AND a.id = ANY(:ids::uuid[]);

-- name: insert_api_key :one
-- The secret itself never reaches the database.
INSERT INTO core.api_key (workspace_id, account_id, name, hint, secret_hash, scopes, expires_at)
VALUES (:workspace_id, :account_id, :name, :hint, :secret_hash, :scopes, :expires_at)
RETURNING id, name, hint, scopes, created_at, expires_at, last_used_at, revoked_at;

-- name: page_api_key :page
-- Newest first, revoked ones too: a list of keys is read to find what to revoke.
SELECT a.id, a.name, a.hint, a.scopes, a.created_at, a.expires_at, a.last_used_at, a.revoked_at
FROM core.api_key AS a
WHERE a.workspace_id = :workspace_id
    AND a.id < :after_id
ORDER BY a.id DESC
LIMIT :limit;

-- name: revoke_api_key :one
-- Revoking twice keeps the first moment.
UPDATE core.api_key AS a
SET revoked_at = coalesce(a.revoked_at, now())
WHERE a.workspace_id = :workspace_id
    AND a.id = :id
RETURNING a.id, a.name, a.hint, a.scopes, a.created_at, a.expires_at, a.last_used_at, a.revoked_at;
