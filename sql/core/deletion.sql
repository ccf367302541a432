-- Deletions: accounts that are shut, and may be restored until they are erased.
-- Tables: core.workspace, core.erasure

-- name: delete_account :one
-- The caller's own. DELETED, or why not: UNKNOWN, OWNER.
SELECT d.outcome, d.deleted_at, d.restorable_until, d.notice_id
FROM core.delete_account(:days::integer) AS d;

-- name: request_account_restore :one
-- The same work for every address.
SELECT core.request_account_restore(:email) AS email_token_id;

-- name: take_account_restore :one
-- There is no caller yet: the token was mailed to the owner. No row for one that is not good.
SELECT t.account_id AS owner_id
FROM core.take_account_restore(:token_hash) AS t;

-- name: update_restored_account :one
-- There is no caller yet: who calls this has seen proof of who the account's owner is.
SELECT core.restore_account(:restored_id) AS restored;
