-- Identities: the ways in which an account signs in.
-- Table: core.identity

-- name: confirm_caller :exec
-- Fails unless the token of a caller still opens what it opened. Goes behind BEGIN: whoever begins is known in the same round trip.
SELECT core.confirm_caller(
    :issuer, :subject, :asked_workspace_id, :session_id,
    :found_account_id, :found_member_workspace_id, :found_role, :found_curator
);

-- name: edge_identity :edge
-- For node(id): the caller's own only.
SELECT i.id, i.issuer, i.subject, i.created_at
FROM core.identity AS i
WHERE i.account_id = :account_id
    AND i.id = ANY(:ids::uuid[]);

-- name: get_caller_by_api_key :one
-- Who stands behind a key; also notes that it was used.
SELECT k.account_id, k.member_workspace_id, k.role, k.api_key_id, k.scopes
FROM core.authenticate_api_key(:secret_hash) AS k;

-- name: get_caller_by_identity :one
-- Who stands behind the subject of a token, in the asked workspace or the personal one, while the token's session lasts.
SELECT i.account_id, i.member_workspace_id, i.role, i.curator
FROM core.authenticate_identity(:issuer, :subject, :asked_workspace_id, :session_id) AS i;

-- name: link_identity :one
-- One more for the caller; no row where there are too many.
SELECT i.id, i.issuer, i.subject, i.created_at
FROM core.link_identity(:issuer, :subject) AS i;

-- name: list_caller :many
-- Which of those who were authenticated earlier may still call.
SELECT c.place, c.role, c.curator
FROM core.list_caller(:account_ids, :workspace_ids, :api_key_ids, :session_ids) AS c;

-- name: list_identity :many
-- The caller's own; a handful at most.
SELECT i.id, i.issuer, i.subject, i.created_at
FROM core.identity AS i
WHERE i.account_id = :account_id
ORDER BY i.id;

-- name: meet_identity :one
-- There is no caller yet: the account of a subject that its issuer vouches for, made where there is none and none was erased.
SELECT m.outcome, m.met_id
FROM core.meet_identity(
    :issuer, :subject, :email, :display_name, :acceptable, :proven, :digests::bytea[], :again, :issued_at::timestamptz
) AS m;

-- name: unlink_identity :one
-- UNLINKED, or why not: UNKNOWN, OWN, LAST.
SELECT core.unlink_identity(:id) AS outcome;
