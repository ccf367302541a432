-- Why:      people sign in with a password.
-- Change:   core.credential; functions that find, prove, refuse and change passwords.
-- Locks:    SHARE ROW EXCLUSIVE on core.account while the foreign key is added.
-- Data:     rows of the data inventory only.
-- Old code: not affected.
-- Rollback: drops every password: people sign in by other means, or ask for a new one.
-- depends: 20261122_06_pre_core_create_session

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE core.credential (
    account_id    uuid        NOT NULL CONSTRAINT credential_pkey PRIMARY KEY
        CONSTRAINT credential_account_id_fkey REFERENCES core.account (id),
    created_at    timestamptz NOT NULL DEFAULT now(),
    changed_at    timestamptz NOT NULL DEFAULT now(),
    password_hash text        NOT NULL CONSTRAINT credential_password_hash_form CHECK (password_hash LIKE '$argon2id$%')
);

COMMENT ON TABLE core.credential IS 'identity. The password of an account, for those that have one.';
COMMENT ON COLUMN core.credential.password_hash IS 'Argon2id with its parameters and salt.';
COMMENT ON COLUMN core.credential.changed_at IS 'When the password became another; hashing the same one anew is no change.';

ALTER TABLE core.credential ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.credential FORCE ROW LEVEL SECURITY;

CREATE POLICY self ON core.credential FOR SELECT TO fivefold_api
USING (account_id = (SELECT core.current_account_id()));
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON core.credential TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT ON core.credential TO fivefold_api;

-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_insert AFTER INSERT ON core.credential REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'account_id', 'account_id,changed_at');
CREATE TRIGGER audit_update AFTER UPDATE ON core.credential REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'account_id', 'account_id,changed_at');
CREATE TRIGGER audit_delete AFTER DELETE ON core.credential REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'account_id', 'account_id,changed_at');
ALTER TABLE core.credential ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE core.credential ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE core.credential ENABLE ALWAYS TRIGGER audit_delete;

-- The password of an address, before anybody is known. One row always: without an account, or a password, it is NULL. known says
-- whether somebody has signed in to the account from this network of late.
CREATE FUNCTION core.authenticate_password(email text, address text)
RETURNS TABLE (account_id uuid, password_hash text, known boolean)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    SELECT a.id, c.password_hash, EXISTS (
        SELECT
        FROM core.session AS s
        WHERE s.account_id = a.id
            AND s.address = authenticate_password.address
            AND s.address <> ''
    )
    FROM (SELECT) AS always
    LEFT JOIN core.account AS a ON a.email = authenticate_password.email
    LEFT JOIN core.credential AS c ON c.account_id = a.id;
END;

-- Opens a session if the password is still the one that was verified: whoever changes it meanwhile ends sessions after that.
CREATE FUNCTION core.open_session_by_password(
    account_id uuid, password_hash text, family_hash bytea, turn_hash bytea, client text, address text, idle interval, lifetime interval
)
RETURNS SETOF core.session
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = ''
AS $$
BEGIN
    PERFORM
    FROM core.credential AS c
    WHERE c.account_id = open_session_by_password.account_id
        AND c.password_hash = open_session_by_password.password_hash
    FOR SHARE;
    IF FOUND THEN
        RETURN QUERY SELECT s.* FROM core.open_session(
            open_session_by_password.account_id, open_session_by_password.family_hash, open_session_by_password.turn_hash, 'PASSWORD',
            open_session_by_password.client, open_session_by_password.address, open_session_by_password.idle,
            open_session_by_password.lifetime
        ) AS s;
    END IF;
END
$$;

-- Somebody was not let in. Where there is no account, the event belongs to the system and names nobody.
CREATE FUNCTION core.refuse_sign_in(account_id uuid, client text, address text) RETURNS uuid
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    SELECT core.append_audit(
        coalesce(w.id, core.system_workspace_id()), NULL, 'SIGN_IN_REFUSED', 'core.account', coalesce(w.personal_account_id, core.system_workspace_id()),
        CASE WHEN w.id IS NULL THEN '{}' ELSE jsonb_build_object('client', refuse_sign_in.client, 'address', refuse_sign_in.address) END
    )
    FROM (SELECT) AS always
    LEFT JOIN core.workspace AS w ON w.personal_account_id = refuse_sign_in.account_id;
END;

-- The same password, hashed with other parameters.
CREATE FUNCTION core.renew_password_hash(account_id uuid, old_hash text, new_hash text) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    UPDATE core.credential AS c
    SET password_hash = renew_password_hash.new_hash
    WHERE c.account_id = renew_password_hash.account_id
        AND c.password_hash = renew_password_hash.old_hash;
END;

-- Another password for the caller, who has proven the old one; ends all sessions but one. The count of ended ones, or NULL where
-- the old password is not that any more.
CREATE FUNCTION core.change_password(old_hash text, new_hash text, but_session_id uuid) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = ''
AS $$
BEGIN
    UPDATE core.credential AS c
    SET password_hash = change_password.new_hash, changed_at = clock_timestamp()
    WHERE c.account_id = core.current_account_id()
        AND c.password_hash = change_password.old_hash;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    RETURN core.end_sessions_of(core.current_account_id(), NULL, change_password.but_session_id, 'PASSWORD_CHANGED');
END
$$;

-- A password for an account, first or new, whose owner is proven by other means. For functions that have seen the proof.
CREATE FUNCTION core.set_password_of(account_id uuid, password_hash text) RETURNS void
LANGUAGE sql VOLATILE
SET search_path = ''
BEGIN ATOMIC
    INSERT INTO core.credential AS c (account_id, password_hash)
    VALUES (set_password_of.account_id, set_password_of.password_hash)
    ON CONFLICT ON CONSTRAINT credential_pkey DO UPDATE
    SET password_hash = excluded.password_hash, changed_at = clock_timestamp();
END;

REVOKE ALL ON FUNCTION
core.authenticate_password(text, text),
core.open_session_by_password(uuid, text, bytea, bytea, text, text, interval, interval),
core.refuse_sign_in(uuid, text, text),
core.renew_password_hash(uuid, text, text),
core.change_password(text, text, uuid),
core.set_password_of(uuid, text)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
core.authenticate_password(text, text),
core.open_session_by_password(uuid, text, bytea, bytea, text, text, interval, interval),
core.refuse_sign_in(uuid, text, text),
core.renew_password_hash(uuid, text, text),
core.change_password(text, text, uuid)
TO fivefold_api;

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.credential', 'account_id', 'identifier', 'account', 'include', 'delete', 'account', NULL),
('core.credential', 'created_at', 'technical', 'account', 'include', 'delete', 'account', NULL),
('core.credential', 'changed_at', 'personal', 'security', 'include', 'delete', 'account', NULL),
('core.credential', 'password_hash', 'secret', 'security', 'omit', 'delete', 'account', NULL);
