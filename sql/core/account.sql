-- Accounts: one person each.
-- Table: core.account

-- name: edge_account :edge
-- For node(id): a policy lets nobody see an account but their own.
SELECT k.position, a.id, a.email, a.display_name, a.locale, a.time_zone, a.created_at
FROM unnest(:ids::uuid[]) WITH ORDINALITY AS k (id, position)
JOIN core.account AS a ON a.id = k.id
WHERE a.id = :account_id;

-- name: get_account :one
-- The caller's own account.
SELECT a.id, a.email, a.display_name, a.locale, a.time_zone, a.created_at
FROM core.account AS a
WHERE a.id = :account_id;

-- name: get_account_by_email :one
-- For the command line, which names people by their e-mail.
SELECT a.id, a.email, a.display_name, a.locale, a.time_zone, a.created_at
FROM core.account AS a
WHERE a.email = lower(:email);

-- name: insert_account :one
-- An account comes with its identity at our own issuer and its personal workspace: no moment without them.
WITH account AS (
    INSERT INTO core.account (email, display_name, locale, time_zone)
    VALUES (lower(:email), :display_name, :locale, :time_zone)
    RETURNING id, email, display_name, locale, time_zone, created_at
),
identity AS (
    INSERT INTO core.identity (account_id, issuer, subject)
    SELECT a.id, :issuer, a.id::text
    FROM account AS a
),
workspace AS (
    INSERT INTO core.workspace (kind, name, personal_account_id)
    SELECT 'personal', a.display_name, a.id
    FROM account AS a
    RETURNING id
),
member AS (
    INSERT INTO core.member (workspace_id, account_id, role)
    SELECT w.id, a.id, 'owner'
    FROM account AS a, workspace AS w
)
SELECT a.id, a.email, a.display_name, a.locale, a.time_zone, a.created_at
FROM account AS a;

-- name: update_account :one
-- What is not given stays. A policy lets nobody change an account but their own.
UPDATE core.account AS a
SET display_name = coalesce(:display_name, a.display_name),
    locale = coalesce(:locale, a.locale),
    time_zone = coalesce(:time_zone, a.time_zone)
WHERE a.id = :account_id
RETURNING a.id, a.email, a.display_name, a.locale, a.time_zone, a.created_at;
