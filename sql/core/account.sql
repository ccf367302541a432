-- Accounts: one person each.
-- Table: core.account

-- name: create_account :one
-- With its identities, personal workspace and membership; issuer and subject are NULL where nobody else vouches for the person.
SELECT a.id, a.email, a.display_name, a.locale, a.time_zone, a.created_at, a.email_verified_at
FROM core.create_account(:email, :display_name, :locale, :time_zone, :issuer, :subject, :email_verified) AS a;

-- name: edge_account :edge
-- For node(id): a policy lets nobody see an account but their own.
SELECT a.id, a.email, a.display_name, a.locale, a.time_zone, a.created_at, a.email_verified_at
FROM core.account AS a
WHERE a.id = :account_id
    AND a.id = ANY(:ids::uuid[]);

-- name: get_account :one
-- The caller's own account.
SELECT a.id, a.email, a.display_name, a.locale, a.time_zone, a.created_at, a.email_verified_at
FROM core.account AS a
WHERE a.id = :account_id;

-- name: get_account_by_email :one
-- For the command line, which names people by their e-mail.
SELECT a.id, a.email, a.display_name, a.locale, a.time_zone, a.created_at, a.email_verified_at
FROM core.account AS a
WHERE a.email = lower(:email);

-- name: update_account :one
-- What is not given stays. A policy lets nobody change an account but their own.
UPDATE core.account AS a
SET display_name = coalesce(:display_name, a.display_name),
    locale = coalesce(:locale, a.locale),
    time_zone = coalesce(:time_zone, a.time_zone)
WHERE a.id = :account_id
RETURNING a.id, a.email, a.display_name, a.locale, a.time_zone, a.created_at, a.email_verified_at;
