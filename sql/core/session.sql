-- Sessions: where and until when an account is signed in.
-- Table: core.session

-- name: edge_session :edge
-- For node(id) and for what a mutation answers: the caller's own.
SELECT s.id, s.created_at, s.refreshed_at, s.idle_until, s.expires_at, s.ended_at, s.method, s.client, s.address
FROM core.session AS s
WHERE s.account_id = :account_id
    AND s.id = ANY(:ids::uuid[]);

-- name: end_sessions :one
-- The caller's own: one of them, or all but one.
SELECT core.end_sessions(:only_id, :but_id, :reason) AS ended;

-- name: get_session_age :one
-- How long ago the caller signed in to the session of its token.
SELECT extract(epoch FROM clock_timestamp() - s.created_at)::double precision AS seconds
FROM core.session AS s
WHERE s.account_id = :account_id
    AND s.id = :id;

-- name: open_session :one
-- There is no caller yet: who calls this has seen proof of who the account's owner is.
SELECT s.id, s.idle_until, s.expires_at
FROM core.open_session(:opened_for_id, :family_hash, :turn_hash, :method, :client, :address, :idle, :lifetime) AS s;

-- name: page_session :page
-- Newest first; what has ended or run out is of no interest here, the audit has it.
SELECT s.id, s.created_at, s.refreshed_at, s.idle_until, s.expires_at, s.ended_at, s.method, s.client, s.address
FROM core.session AS s
WHERE s.account_id = :account_id
    AND s.ended_at IS NULL
    AND s.idle_until > now()
    AND s.id < :after_id
ORDER BY s.id DESC
LIMIT :limit;

-- name: refresh_session :one
-- There is no caller yet: the token names its session. No row where there is none.
SELECT s.outcome, s.session_id, s.account_id AS owner_id, s.idle_until, s.expires_at
FROM core.refresh_session(:family_hash, :turn_hash, :next_turn_hash, :client, :address, :idle, :grace) AS s;
