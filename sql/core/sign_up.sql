-- Sign-ups: wishes for an account, until the address is proven.
-- Table: core.sign_up

-- name: confirm_sign_up :one
-- There is no caller yet: who calls this has seen token and password. No row where the address has an account by now.
SELECT s.account_id AS owner_id
FROM core.confirm_sign_up(:id, :token_hash) AS s;

-- name: get_sign_up :one
-- There is no caller yet: the token names the wish, and the password has to fit.
SELECT s.sign_up_id, s.password_hash
FROM core.find_sign_up(:token_hash) AS s;

-- name: start_sign_up :one
-- The same work for every address.
SELECT core.start_sign_up(:email, :display_name, :locale, :time_zone, :password_hash) AS sign_up_id;

-- name: take_sign_up :one
-- For the mail: from now on this token is the good one.
SELECT s.email, s.display_name, s.taken
FROM core.prepare_sign_up(:id, :token_hash) AS s;
