-- Why:      who can read an address' mail owns it: that is how passwords are reset and addresses proven and changed.
-- Change:   core.email_token; functions that ask for a mail, give it its token, and do what the token stands for.
-- Locks:    SHARE ROW EXCLUSIVE on core.account while the foreign key is added.
-- Data:     rows of the data inventory only.
-- Old code: not affected.
-- Rollback: links that were mailed work no longer.
-- depends: 20261122_08_pre_core_create_sign_up

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE core.email_token (
    id         uuid        NOT NULL DEFAULT uuidv7() CONSTRAINT email_token_pkey PRIMARY KEY,
    account_id uuid        CONSTRAINT email_token_account_id_fkey REFERENCES core.account (id),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL DEFAULT now() + interval '2 days',
    kind       text        NOT NULL CONSTRAINT email_token_kind_known CHECK (
        kind IN ('PASSWORD_RESET', 'EMAIL_VERIFICATION', 'EMAIL_CHANGE', 'PASSWORD_CHANGED', 'EMAIL_CHANGED')
    ),
    email      text        NOT NULL CONSTRAINT email_token_email_form CHECK (email = lower(email) AND length(email) <= 254),
    token_hash bytea       CONSTRAINT email_token_token_hash_key UNIQUE
        CONSTRAINT email_token_token_hash_length CHECK (octet_length(token_hash) = 32)
);

-- Serves the deletion of an account's other tokens, and the foreign key.
CREATE INDEX email_token_account_id_idx ON core.email_token (account_id);

COMMENT ON TABLE core.email_token IS 'identity. A mail to an address: with a token that can be used once, or telling that something was done.';
COMMENT ON COLUMN core.email_token.account_id IS 'NULL until the job has looked whose address it is: a request of a stranger does not look.';
COMMENT ON COLUMN core.email_token.token_hash IS 'sha256 of what was mailed; NULL until the job has made it, and for mails that only tell.';

ALTER TABLE core.email_token ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.email_token FORCE ROW LEVEL SECURITY;

-- What has expired is deleted by the worker, which sees nothing younger.
CREATE POLICY worker_old ON core.email_token TO fivefold_worker
USING (expires_at < now());
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON core.email_token TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT, DELETE ON core.email_token TO fivefold_worker;

-- The same work whether or not the address has an account.
CREATE FUNCTION core.request_password_reset(email text) RETURNS uuid
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    INSERT INTO core.email_token AS t (kind, email) VALUES ('PASSWORD_RESET', request_password_reset.email) RETURNING t.id;
END;

-- The caller asks to prove the own address, or another one that is to take its place.
CREATE FUNCTION core.request_email_token(email text) RETURNS uuid
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    INSERT INTO core.email_token AS t (account_id, kind, email)
    SELECT a.id,
        CASE WHEN request_email_token.email IS NULL OR request_email_token.email = a.email THEN 'EMAIL_VERIFICATION' ELSE 'EMAIL_CHANGE' END,
        coalesce(request_email_token.email, a.email)
    FROM core.account AS a
    WHERE a.id = core.current_account_id()
    RETURNING t.id;
END;

-- What is to be mailed, with its token from now on; no row where there is nothing to mail. taken: the address that somebody wants
-- to change to has an account, whose owner is told instead.
CREATE FUNCTION core.prepare_email_token(id uuid, token_hash bytea)
RETURNS TABLE (kind text, email text, display_name text, taken boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = ''
AS $$
DECLARE
    asked core.email_token;
    owner core.account;
    other core.account;
BEGIN
    SELECT t.* INTO asked FROM core.email_token AS t WHERE t.id = prepare_email_token.id AND t.expires_at > now() FOR UPDATE;
    IF asked.id IS NULL THEN
        RETURN;
    END IF;
    IF asked.kind = 'PASSWORD_RESET' THEN
        SELECT a.* INTO owner FROM core.account AS a WHERE a.email = asked.email;
    ELSE
        SELECT a.* INTO owner FROM core.account AS a WHERE a.id = asked.account_id;
    END IF;
    IF owner.id IS NULL THEN
        DELETE FROM core.email_token AS t WHERE t.id = asked.id;
        RETURN;
    END IF;
    SELECT a.* INTO other FROM core.account AS a WHERE a.email = asked.email AND asked.kind = 'EMAIL_CHANGE' AND a.id <> owner.id;
    UPDATE core.email_token AS t
    SET account_id = owner.id,
        token_hash = CASE WHEN asked.kind IN ('PASSWORD_CHANGED', 'EMAIL_CHANGED') OR other.id IS NOT NULL THEN NULL
            ELSE prepare_email_token.token_hash END,
        expires_at = asked.created_at + CASE WHEN asked.kind = 'PASSWORD_RESET' THEN interval '1 hour' ELSE interval '2 days' END
    WHERE t.id = asked.id;
    RETURN QUERY SELECT asked.kind, asked.email, coalesce(other.display_name, owner.display_name), other.id IS NOT NULL;
END
$$;

-- Whether a token is good for a new password, and for whose address.
CREATE FUNCTION core.find_password_reset(token_hash bytea) RETURNS TABLE (email text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    SELECT t.email
    FROM core.email_token AS t
    WHERE t.token_hash = find_password_reset.token_hash
        AND t.kind = 'PASSWORD_RESET'
        AND t.expires_at > clock_timestamp();
END;

-- A new password by a token, once: the address is proven, every session ends, and whatever else was asked for in the account's
-- name is forgotten. notice_id is the mail that tells of it. No row for a token that is not good.
CREATE FUNCTION core.reset_password(token_hash bytea, password_hash text) RETURNS TABLE (account_id uuid, notice_id uuid)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = ''
AS $$
DECLARE
    used   core.email_token;
    notice uuid;
BEGIN
    DELETE FROM core.email_token AS t
    WHERE t.token_hash = reset_password.token_hash
        AND t.kind = 'PASSWORD_RESET'
        AND t.expires_at > clock_timestamp()
    RETURNING t.* INTO used;
    UPDATE core.account AS a
    SET email_verified_at = coalesce(a.email_verified_at, now())
    WHERE a.id = used.account_id
        AND a.email = used.email;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM core.set_password_of(used.account_id, reset_password.password_hash);
    PERFORM core.end_sessions_of(used.account_id, NULL, NULL, 'PASSWORD_RESET');
    DELETE FROM core.email_token AS t WHERE t.account_id = used.account_id;
    INSERT INTO core.email_token AS t (account_id, kind, email) VALUES (used.account_id, 'PASSWORD_CHANGED', used.email)
    RETURNING t.id INTO notice;
    RETURN QUERY SELECT used.account_id, notice;
END
$$;

-- The caller shows a token that was mailed to an address: it is the own one, or becomes it. notice_id is the mail that tells the
-- address that it was before; NULL where it stays. No row for a token that is not good, or another account's.
CREATE FUNCTION core.verify_email(token_hash bytea) RETURNS TABLE (email text, notice_id uuid)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = ''
AS $$
DECLARE
    used   core.email_token;
    before text;
    notice uuid;
BEGIN
    DELETE FROM core.email_token AS t
    WHERE t.token_hash = verify_email.token_hash
        AND t.account_id = core.current_account_id()
        AND t.kind IN ('EMAIL_VERIFICATION', 'EMAIL_CHANGE')
        AND t.expires_at > clock_timestamp()
    RETURNING t.* INTO used;
    SELECT a.email INTO before FROM core.account AS a WHERE a.id = used.account_id FOR NO KEY UPDATE;
    IF used.id IS NULL OR (used.kind = 'EMAIL_VERIFICATION' AND used.email <> before) THEN
        RETURN;
    END IF;
    UPDATE core.account AS a
    SET email = used.email,
        email_verified_at = CASE WHEN a.email = used.email THEN coalesce(a.email_verified_at, now()) ELSE now() END
    WHERE a.id = used.account_id;
    IF used.email <> before THEN
        DELETE FROM core.email_token AS t WHERE t.account_id = used.account_id;
        INSERT INTO core.email_token AS t (account_id, kind, email) VALUES (used.account_id, 'EMAIL_CHANGED', before)
        RETURNING t.id INTO notice;
    END IF;
    RETURN QUERY SELECT used.email, notice;
END
$$;

-- The mail that tells the caller of another password.
CREATE FUNCTION core.request_password_notice() RETURNS uuid
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    INSERT INTO core.email_token AS t (account_id, kind, email)
    SELECT a.id, 'PASSWORD_CHANGED', a.email
    FROM core.account AS a
    WHERE a.id = core.current_account_id()
    RETURNING t.id;
END;

REVOKE ALL ON FUNCTION
core.request_password_reset(text),
core.request_email_token(text),
core.prepare_email_token(uuid, bytea),
core.find_password_reset(bytea),
core.reset_password(bytea, text),
core.verify_email(bytea),
core.request_password_notice()
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
core.request_password_reset(text),
core.request_email_token(text),
core.find_password_reset(bytea),
core.reset_password(bytea, text),
core.verify_email(bytea),
core.request_password_notice()
TO fivefold_api;
GRANT EXECUTE ON FUNCTION core.prepare_email_token(uuid, bytea) TO fivefold_worker;

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.email_token', 'id', 'technical', 'account', 'omit', 'delete', '2 days', NULL),
('core.email_token', 'account_id', 'identifier', 'account', 'include', 'delete', '2 days', NULL),
('core.email_token', 'created_at', 'technical', 'account', 'include', 'delete', '2 days', NULL),
('core.email_token', 'expires_at', 'technical', 'account', 'include', 'delete', '2 days', NULL),
('core.email_token', 'kind', 'technical', 'account', 'include', 'delete', '2 days', NULL),
('core.email_token', 'email', 'identifier', 'account', 'include', 'delete', '2 days', NULL),
('core.email_token', 'token_hash', 'secret', 'security', 'omit', 'delete', '2 days', NULL);
