-- Domains: those that an organization says are its own, and the proof of it.
-- Table: core.domain

-- name: count_domain :one
-- Of the workspace, proven or not.
SELECT count(*) AS domains
FROM core.domain AS d
WHERE d.workspace_id = :workspace_id;

-- name: delete_domain :one
-- Who has joined by it stays.
DELETE FROM core.domain AS d
WHERE d.workspace_id = :workspace_id
    AND d.id = :id
RETURNING d.id, d.name, d.challenge, d.joining, d.role, d.created_at, d.proven_at, d.checked_at, d.failures;

-- name: edge_domain :edge
-- For node(id) and for what a mutation answers.
SELECT d.id, d.name, d.challenge, d.joining, d.role, d.created_at, d.proven_at, d.checked_at, d.failures
FROM core.domain AS d
WHERE d.workspace_id = :workspace_id
    AND d.id = ANY(:ids::uuid[]);

-- name: get_joined :one
-- Join an organization by the caller's proven address; nothing where none is offered.
SELECT j.outcome, j.reached, j.used, j.plan
FROM core.join_by_domain(:to_workspace_id) AS j;

-- name: insert_domain :one
-- A domain that the workspace has is refused by its constraint.
INSERT INTO core.domain (workspace_id, name, challenge)
VALUES (:workspace_id, :name, :challenge)
RETURNING id, name, challenge, joining, role, created_at, proven_at, checked_at, failures;

-- name: page_domain :page
-- Newest first.
SELECT d.id, d.name, d.challenge, d.joining, d.role, d.created_at, d.proven_at, d.checked_at, d.failures
FROM core.domain AS d
WHERE d.workspace_id = :workspace_id
    AND d.id < :after_id
ORDER BY d.id DESC
LIMIT :limit;

-- name: page_joinable :page
-- What the caller may join by the proven address.
SELECT j.workspace_id, j.workspace_name, j.color, j.logo_url, j.domain, j.role
FROM core.list_joinable() AS j
WHERE j.workspace_id < :after_workspace_id
ORDER BY j.workspace_id DESC
LIMIT :limit;

-- name: update_domain :one
-- Who may join, and as what.
UPDATE core.domain AS d
SET joining = coalesce(:joining, d.joining),
    role = coalesce(:role, d.role)
WHERE d.workspace_id = :workspace_id
    AND d.id = :id
RETURNING d.id, d.name, d.challenge, d.joining, d.role, d.created_at, d.proven_at, d.checked_at, d.failures;

-- name: update_proof :one
-- What a look-up has shown. A proof that another workspace holds is refused by the index.
UPDATE core.domain AS d
SET proven_at = CASE WHEN :proven THEN coalesce(d.proven_at, now()) END,
    checked_at = now(),
    failures = :failures
WHERE d.workspace_id = :workspace_id
    AND d.id = :id
RETURNING d.id, d.name, d.challenge, d.joining, d.role, d.created_at, d.proven_at, d.checked_at, d.failures;
