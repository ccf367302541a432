-- Workspaces: the tenants.
-- Table: core.workspace

-- name: create_organization :one
-- A workspace that is nobody's yet is made by a function; so is its owner, and the limit of the caller's plan is kept.
SELECT o.id, o.reached, o.used, o.plan
FROM core.create_organization(:name) AS o;

-- name: delete_workspace :one
-- DELETED, or why not: UNKNOWN, FORBIDDEN, PERSONAL, NAME. A function, because it is not the active one as a rule.
SELECT d.outcome, d.name, d.deleted_at, d.restorable_until
FROM core.delete_workspace(:of_workspace_id, :confirm_name, :days::integer) AS d;

-- name: edge_workspace :edge
-- For node(id): no other workspace but the caller's.
SELECT w.id, w.kind, w.name, w.created_at, w.version, w.color, w.logo_url, w.default_role, w.key_days
FROM core.workspace AS w
WHERE w.id = :workspace_id
    AND w.id = ANY(:ids::uuid[]);

-- name: get_membership :one
-- One that the caller is in, active or not.
SELECT m.workspace_id, m.kind, m.name, m.color, m.logo_url, m.role, m.joined_at
FROM core.list_membership() AS m
WHERE m.workspace_id = :of_workspace_id;

-- name: get_personal_workspace :one
-- For the command line, which acts for people by their e-mail.
SELECT w.id, w.kind, w.name, w.created_at, w.version, w.color, w.logo_url, w.default_role, w.key_days
FROM core.workspace AS w
WHERE w.personal_account_id = :personal_account_id;

-- name: get_rest :one
-- Whether the jobs of the worker's active workspace wait, because it is deleted and may be restored.
SELECT w.deleted_at IS NOT NULL AND w.erased_at IS NULL AS resting
FROM core.workspace AS w
WHERE w.id = :workspace_id;

-- name: get_workspace :one
-- The workspace the caller is in.
SELECT w.id, w.kind, w.name, w.created_at, w.version, w.color, w.logo_url, w.default_role, w.key_days
FROM core.workspace AS w
WHERE w.id = :workspace_id;

-- name: lock_workspace :one
-- Who changes it, its members, invitations or domains takes turns here, so that none decides by what another changes.
SELECT w.id, w.kind, w.name, w.created_at, w.version, w.color, w.logo_url, w.default_role, w.key_days
FROM core.workspace AS w
WHERE w.id = :workspace_id
FOR NO KEY UPDATE;

-- name: page_deleted_workspace :page
-- Those that the caller owned and may restore, the newest first.
SELECT d.workspace_id, d.name, d.deleted_at, d.restorable_until
FROM core.list_deleted_workspace() AS d
WHERE d.workspace_id < :after_workspace_id
ORDER BY d.workspace_id DESC
LIMIT :limit;

-- name: page_membership :page
-- All that the caller is in, the newest first.
SELECT m.workspace_id, m.kind, m.name, m.color, m.logo_url, m.role, m.joined_at
FROM core.list_membership() AS m
WHERE m.workspace_id < :after_workspace_id
ORDER BY m.workspace_id DESC
LIMIT :limit;

-- name: update_restored_workspace :one
-- False where the caller owns no such deleted one, or its time is over.
SELECT core.restore_workspace(:of_workspace_id) AS restored;

-- name: update_workspace :one
-- All of it; callers hold the row and have seen its version.
UPDATE core.workspace AS w
SET version = w.version + 1,
    name = :name,
    color = :color::text,
    logo_url = :logo_url::text,
    default_role = :default_role,
    key_days = :key_days::integer
WHERE w.id = :workspace_id
RETURNING w.id, w.kind, w.name, w.created_at, w.version, w.color, w.logo_url, w.default_role, w.key_days;
