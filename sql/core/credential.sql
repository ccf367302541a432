-- Credentials: the passwords of accounts, as hashes.
-- Table: core.credential

-- name: change_password :one
-- The caller's own; the sessions that end by it are counted, NULL where the old password is not that any more.
SELECT core.change_password(:old_hash, :new_hash, :but_session_id) AS ended;

-- name: get_credential :one
-- The caller's own, to be verified before what takes more than a token.
SELECT c.password_hash
FROM core.credential AS c
WHERE c.account_id = :account_id;

-- name: get_credential_by_email :one
-- There is no caller yet. One row always, of NULLs where there is nobody.
SELECT c.account_id AS owner_id, c.password_hash, c.known
FROM core.authenticate_password(:email, :address) AS c;

-- name: open_session_by_password :one
-- No row where the password became another since it was verified.
SELECT s.id, s.idle_until, s.expires_at
FROM core.open_session_by_password(
    :opened_for_id, :password_hash, :family_hash, :turn_hash, :client, :address, :idle, :lifetime
) AS s;

-- name: refuse_sign_in :one
-- The audit tells whoever's account it is.
SELECT core.refuse_sign_in(:refused_for_id, :client, :address) AS event_id;

-- name: renew_password_hash :exec
-- The same password by other parameters, unless it has become another.
SELECT core.renew_password_hash(:owner_id, :old_hash, :new_hash);

-- name: set_password :exec
-- For the command line, which gives the demo's people theirs.
SELECT core.set_password_of(:owner_id, :password_hash);
