-- Why:      an account comes to be when its owner has proven the address; until then there is only a wish.
-- Change:   core.sign_up; functions that keep a wish, give it its token, and make it an account.
-- Locks:    none on existing tables.
-- Data:     rows of the data inventory only.
-- Old code: not affected.
-- Rollback: who has not proven the address yet signs up again.
-- depends: 20261122_07_pre_core_create_credential

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE core.sign_up (
    id            uuid        NOT NULL DEFAULT uuidv7() CONSTRAINT sign_up_pkey PRIMARY KEY,
    created_at    timestamptz NOT NULL DEFAULT now(),
    expires_at    timestamptz NOT NULL DEFAULT now() + interval '2 days',
    email         text        NOT NULL CONSTRAINT sign_up_email_form CHECK (email = lower(email) AND length(email) <= 254),
    display_name  text        NOT NULL CONSTRAINT sign_up_display_name_length CHECK (length(display_name) BETWEEN 1 AND 200),
    locale        text        NOT NULL CONSTRAINT sign_up_locale_form CHECK (locale ~ '^[a-z]{2,3}(-[A-Z]{2})?$'),
    time_zone     text        NOT NULL CONSTRAINT sign_up_time_zone_length CHECK (length(time_zone) BETWEEN 1 AND 64),
    password_hash text        NOT NULL CONSTRAINT sign_up_password_hash_form CHECK (password_hash LIKE '$argon2id$%'),
    token_hash    bytea       CONSTRAINT sign_up_token_hash_key UNIQUE
        CONSTRAINT sign_up_token_hash_length CHECK (octet_length(token_hash) = 32)
);

-- Serves the deletion of the others once one of an address was confirmed.
CREATE INDEX sign_up_email_idx ON core.sign_up (email);

COMMENT ON TABLE core.sign_up IS 'identity. A wish for an account, until its address is proven. An address may have several: they may be of different people.';
COMMENT ON COLUMN core.sign_up.token_hash IS 'sha256 of what was mailed; NULL until the job has made it.';

ALTER TABLE core.sign_up ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.sign_up FORCE ROW LEVEL SECURITY;

-- What has expired is deleted by the worker, which sees nothing younger.
CREATE POLICY worker_old ON core.sign_up TO fivefold_worker
USING (expires_at < now());
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON core.sign_up TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT, DELETE ON core.sign_up TO fivefold_worker;

-- The same work whether or not the address has an account: nobody can tell by the answer or by its time.
CREATE FUNCTION core.start_sign_up(email text, display_name text, locale text, time_zone text, password_hash text) RETURNS uuid
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    INSERT INTO core.sign_up AS s (email, display_name, locale, time_zone, password_hash)
    VALUES (
        start_sign_up.email, start_sign_up.display_name, start_sign_up.locale, start_sign_up.time_zone, start_sign_up.password_hash
    )
    RETURNING s.id;
END;

-- What is to be mailed, with its token from now on; no row for a wish that is gone. Where the address has an account there is no
-- token: its owner is told.
CREATE FUNCTION core.prepare_sign_up(id uuid, token_hash bytea)
RETURNS TABLE (email text, display_name text, taken boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = ''
AS $$
BEGIN
    RETURN QUERY
    UPDATE core.sign_up AS s
    SET token_hash = CASE WHEN a.id IS NULL THEN prepare_sign_up.token_hash END
    FROM core.sign_up AS o
    LEFT JOIN core.account AS a ON a.email = o.email
    WHERE o.id = prepare_sign_up.id
        AND s.id = o.id
        AND s.expires_at > now()
    RETURNING s.email, coalesce(a.display_name, s.display_name), a.id IS NOT NULL;
END
$$;

-- Whose password has to be shown with this token.
CREATE FUNCTION core.find_sign_up(token_hash bytea) RETURNS TABLE (sign_up_id uuid, password_hash text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    SELECT s.id, s.password_hash
    FROM core.sign_up AS s
    WHERE s.token_hash = find_sign_up.token_hash
        AND s.expires_at > clock_timestamp();
END;

-- Token and password were shown: the wish becomes an account. No row where another has become it before.
CREATE FUNCTION core.confirm_sign_up(id uuid, token_hash bytea) RETURNS TABLE (account_id uuid)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = ''
AS $$
DECLARE
    wish core.sign_up;
    made uuid;
BEGIN
    DELETE FROM core.sign_up AS s
    WHERE s.id = confirm_sign_up.id
        AND s.token_hash = confirm_sign_up.token_hash
    RETURNING s.* INTO wish;
    IF wish.id IS NULL OR EXISTS (SELECT FROM core.account AS a WHERE a.email = wish.email) THEN
        RETURN;
    END IF;
    SELECT a.id INTO made
    FROM core.create_account(wish.email, wish.display_name, wish.locale, wish.time_zone, NULL, NULL, true) AS a;
    PERFORM core.set_password_of(made, wish.password_hash);
    DELETE FROM core.sign_up AS s WHERE s.email = wish.email;
    RETURN QUERY SELECT made;
END
$$;

REVOKE ALL ON FUNCTION
core.start_sign_up(text, text, text, text, text),
core.prepare_sign_up(uuid, bytea),
core.find_sign_up(bytea),
core.confirm_sign_up(uuid, bytea)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
core.start_sign_up(text, text, text, text, text),
core.find_sign_up(bytea),
core.confirm_sign_up(uuid, bytea)
TO fivefold_api;
GRANT EXECUTE ON FUNCTION core.prepare_sign_up(uuid, bytea) TO fivefold_worker;

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.sign_up', 'id', 'technical', 'account', 'omit', 'delete', '2 days', NULL),
('core.sign_up', 'created_at', 'technical', 'account', 'omit', 'delete', '2 days', NULL),
('core.sign_up', 'expires_at', 'technical', 'account', 'omit', 'delete', '2 days', NULL),
('core.sign_up', 'email', 'identifier', 'account', 'include', 'delete', '2 days', NULL),
('core.sign_up', 'display_name', 'personal', 'account', 'omit', 'delete', '2 days', 'who wrote it may not be the owner of the address'),
('core.sign_up', 'locale', 'technical', 'account', 'omit', 'delete', '2 days', NULL),
('core.sign_up', 'time_zone', 'personal', 'account', 'omit', 'delete', '2 days', 'who chose it may not be the owner of the address'),
('core.sign_up', 'password_hash', 'secret', 'security', 'omit', 'delete', '2 days', NULL),
('core.sign_up', 'token_hash', 'secret', 'security', 'omit', 'delete', '2 days', NULL);
