-- Rights requests: what people ask of platforms, and what became of it.
-- Tables: privacy.rights_request, privacy.rights_request_event

-- name: edge_rights_request :edge
-- For node(id) and for what a mutation answers.
SELECT r.id, r.account_id, r.platform_id, r.contact_id, r.action, r.regime, r.status, r.reason, r.version, r.extended,
    r.details, r.opened_at, r.expected_by, r.closed_at
FROM privacy.rights_request AS r
WHERE r.workspace_id = :workspace_id
    AND r.id = ANY(:ids::uuid[]);

-- name: edge_rights_request_event :edge
-- A page of each request's history, the newest first.
SELECT k.position, e.id, e.occurred_at, e.status, e.reason, e.note, e.expected_by, e.version
FROM unnest(:request_ids::uuid[]) WITH ORDINALITY AS k (request_id, position)
CROSS JOIN LATERAL (
    SELECT h.*
    FROM privacy.rights_request_event AS h
    WHERE h.workspace_id = :workspace_id
        AND h.request_id = k.request_id
        AND h.id < :after_id
    ORDER BY h.id DESC
    LIMIT :limit
) AS e
ORDER BY k.position, e.id DESC;

-- name: insert_rights_request :one
-- It begins open; the trigger counts its versions.
INSERT INTO privacy.rights_request (
    workspace_id, account_id, platform_id, contact_id, action, regime, status, version, details, opened_at, expected_by)
VALUES (
    :workspace_id, :account_id, :platform_id, :contact_id, :action, :regime, 'OPEN', 1, :details, :opened_at, :expected_by)
RETURNING id, account_id, platform_id, contact_id, action, regime, status, reason, version, extended, details, opened_at, expected_by,
    closed_at;

-- name: insert_rights_request_event :exec
-- What the request is now, as one line of its history.
INSERT INTO privacy.rights_request_event (workspace_id, request_id, account_id, expected_by, version, status, reason, note)
SELECT r.workspace_id, r.id, r.account_id, r.expected_by, r.version, r.status, r.reason, :note
FROM privacy.rights_request AS r
WHERE r.workspace_id = :workspace_id
    AND r.id = :request_id;

-- name: page_rights_request :page
-- The person's own, the newest first.
SELECT r.id, r.account_id, r.platform_id, r.contact_id, r.action, r.regime, r.status, r.reason, r.version, r.extended, r.details,
    r.opened_at, r.expected_by, r.closed_at
FROM privacy.rights_request AS r
WHERE r.workspace_id = :workspace_id
    AND r.id < :after_id
    AND r.status = :status  -- if :status
    AND r.platform_id = :platform_id  -- if :platform_id
ORDER BY r.id DESC
LIMIT :limit;

-- name: update_rights_request :one
-- Nothing where the version is not the last: somebody else has changed it. What may follow what is a constraint.
UPDATE privacy.rights_request AS r
SET status = :status,
    reason = :reason,
    extended = r.extended OR :extended,
    expected_by = coalesce(:expected_by::timestamptz, r.expected_by),
    closed_at = CASE WHEN :status = 'IN_PROGRESS' THEN NULL ELSE now() END
WHERE r.workspace_id = :workspace_id
    AND r.id = :id
    AND r.version = :version
RETURNING r.id, r.account_id, r.platform_id, r.contact_id, r.action, r.regime, r.status, r.reason, r.version, r.extended, r.details,
    r.opened_at, r.expected_by, r.closed_at;

-- name: update_rights_request_expired :one
-- Run by the worker: nothing where it was answered, revoked or extended meanwhile.
UPDATE privacy.rights_request AS r
SET status = 'EXPIRED',
    reason = NULL,
    closed_at = now()
WHERE r.workspace_id = :workspace_id
    AND r.id = :id
    AND r.status IN ('OPEN', 'IN_PROGRESS')
    AND r.expected_by <= now()
RETURNING r.id, r.account_id, r.platform_id, r.contact_id, r.action, r.regime, r.status, r.reason, r.version, r.extended, r.details,
    r.opened_at, r.expected_by, r.closed_at;

-- name: update_rights_request_revoked :one
-- Nothing where it was revoked before. What may follow what is a constraint.
UPDATE privacy.rights_request AS r
SET status = 'REVOKED',
    reason = NULL,
    closed_at = now()
WHERE r.workspace_id = :workspace_id
    AND r.id = :id
    AND r.status <> 'REVOKED'
RETURNING r.id, r.account_id, r.platform_id, r.contact_id, r.action, r.regime, r.status, r.reason, r.version, r.extended, r.details,
    r.opened_at, r.expected_by, r.closed_at;
