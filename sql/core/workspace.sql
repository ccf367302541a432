-- Workspaces: the tenants.
-- Table: core.workspace

-- name: edge_workspace :edge
-- For node(id): no other workspace but the caller's.
SELECT k.position, w.id, w.kind, w.name, w.created_at
FROM unnest(:ids::uuid[]) WITH ORDINALITY AS k (id, position)
JOIN core.workspace AS w ON w.id = k.id
WHERE w.id = :workspace_id;

-- name: get_personal_workspace :one
-- For the command line, which acts for people by their e-mail.
SELECT w.id, w.kind, w.name, w.created_at
FROM core.workspace AS w
WHERE w.personal_account_id = :personal_account_id;

-- name: get_workspace :one
-- The workspace the caller is in.
SELECT w.id, w.kind, w.name, w.created_at
FROM core.workspace AS w
WHERE w.id = :workspace_id;
