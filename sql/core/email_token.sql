-- E-mail tokens: mails that prove who reads an address, and mails that tell what was done.
-- Table: core.email_token

-- name: get_password_reset :one
-- There is no caller yet: the token names the address.
SELECT t.email
FROM core.find_password_reset(:token_hash) AS t;

-- name: request_email_token :one
-- The caller's own address, or another one that is to take its place.
SELECT core.request_email_token(:email) AS email_token_id;

-- name: request_password_notice :one
-- Tells the caller's address that the password was changed.
SELECT core.request_password_notice() AS email_token_id;

-- name: request_password_reset :one
-- The same work for every address.
SELECT core.request_password_reset(:email) AS email_token_id;

-- name: reset_password :one
-- There is no caller yet: the token was mailed to the owner. No row for one that is not good.
SELECT t.account_id AS owner_id, t.notice_id
FROM core.reset_password(:token_hash, :password_hash) AS t;

-- name: take_email_token :one
-- For the mail: from now on this token is the good one.
SELECT t.kind, t.email, t.display_name, t.taken
FROM core.prepare_email_token(:id, :token_hash) AS t;

-- name: verify_email :one
-- The caller's own token. No row for one that is not good.
SELECT t.email, t.notice_id
FROM core.verify_email(:token_hash) AS t;
