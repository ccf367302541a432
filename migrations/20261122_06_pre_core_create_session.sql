-- Why:      who signs in stays signed in for a while, sees where, and can end it at once.
-- Change:   core.session; functions that open, refresh and end sessions; core.authenticate_identity() and core.list_caller() that
--           know the session of a token.
-- Locks:    SHARE ROW EXCLUSIVE on core.account while the foreign key is added.
-- Data:     rows of the data inventory only.
-- Old code: calls the functions that know no session; they stay until a later migration.
-- Rollback: drops every session: everybody signs in again.
-- depends: 20261122_05_pre_core_add_create_account 20261121_12_pre_core_create_list_caller

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE core.session (
    id           uuid        NOT NULL DEFAULT uuidv7() CONSTRAINT session_pkey PRIMARY KEY,
    account_id   uuid        NOT NULL CONSTRAINT session_account_id_fkey REFERENCES core.account (id),
    created_at   timestamptz NOT NULL DEFAULT now(),
    refreshed_at timestamptz NOT NULL DEFAULT now(),
    idle_until   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    ended_at     timestamptz,
    family_hash  bytea       NOT NULL CONSTRAINT session_family_hash_key UNIQUE
        CONSTRAINT session_family_hash_length CHECK (octet_length(family_hash) = 32),
    turn_hash    bytea       NOT NULL CONSTRAINT session_turn_hash_length CHECK (octet_length(turn_hash) = 32),
    method       text        NOT NULL CONSTRAINT session_method_form CHECK (method ~ '^[A-Z_]{1,40}$'),
    client       text        NOT NULL CONSTRAINT session_client_length CHECK (length(client) <= 200),
    address      text        NOT NULL CONSTRAINT session_address_length CHECK (length(address) <= 60),
    CONSTRAINT session_idle_before_end CHECK (idle_until <= expires_at)
);

-- Serves the sessions of one account, and the foreign key.
CREATE INDEX session_account_id_idx ON core.session (account_id, id);

COMMENT ON TABLE core.session IS 'identity. One sign-in of an account, until it is ended or runs out.';
COMMENT ON COLUMN core.session.family_hash IS
'sha256 of the half that all refresh tokens of the session share: who shows it holds one of them, be it an old one.';
COMMENT ON COLUMN core.session.turn_hash IS 'sha256 of the other half, which is new in each: only the newest is good.';
COMMENT ON COLUMN core.session.idle_until IS 'Who does not refresh it until then has to sign in again; at expires_at everybody has.';
COMMENT ON COLUMN core.session.address IS 'The network that it was opened from: an IPv4 address, or the /64 of an IPv6 address.';

ALTER TABLE core.session ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.session FORCE ROW LEVEL SECURITY;

CREATE POLICY self ON core.session FOR SELECT TO fivefold_api
USING (account_id = (SELECT core.current_account_id()));
-- What ran out a month ago is deleted by the worker, which sees nothing younger.
CREATE POLICY worker_old ON core.session TO fivefold_worker
USING (idle_until < now() - interval '30 days');
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON core.session TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT ON core.session TO fivefold_api;
GRANT SELECT, DELETE ON core.session TO fivefold_worker;

-- Opens a session for an account whose caller has proven who it is, and says so in the audit of its personal workspace.
CREATE FUNCTION core.open_session(
    account_id uuid, family_hash bytea, turn_hash bytea, method text, client text, address text, idle interval, lifetime interval
)
RETURNS SETOF core.session
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = ''
AS $$
DECLARE
    opened core.session;
BEGIN
    INSERT INTO core.session (account_id, idle_until, expires_at, family_hash, turn_hash, method, client, address)
    VALUES (
        open_session.account_id, now() + least(open_session.idle, open_session.lifetime), now() + open_session.lifetime,
        open_session.family_hash, open_session.turn_hash, open_session.method, open_session.client, open_session.address
    )
    RETURNING * INTO opened;
    PERFORM core.append_audit(
        w.id, opened.account_id, 'SIGN_IN', 'core.account', opened.account_id,
        jsonb_build_object('session_id', opened.id, 'method', opened.method, 'client', opened.client, 'address', opened.address)
    )
    FROM core.workspace AS w
    WHERE w.personal_account_id = opened.account_id;
    RETURN NEXT opened;
END
$$;

-- Takes the newest refresh token of a session for the next. An older one was used before: somebody else has it, and nobody can
-- tell who of the two is the thief, so the session ends for both.
CREATE FUNCTION core.refresh_session(family_hash bytea, turn_hash bytea, next_turn_hash bytea, client text, address text, idle interval)
RETURNS TABLE (outcome text, session_id uuid, account_id uuid, idle_until timestamptz, expires_at timestamptz)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = ''
AS $$
DECLARE
    found core.session;
BEGIN
    SELECT s.* INTO found FROM core.session AS s WHERE s.family_hash = refresh_session.family_hash FOR NO KEY UPDATE;
    IF found.id IS NULL THEN
        RETURN;
    END IF;
    IF found.ended_at IS NOT NULL OR found.idle_until <= clock_timestamp() THEN
        RETURN QUERY SELECT 'ENDED', found.id, found.account_id, found.idle_until, found.expires_at;
    ELSIF found.turn_hash <> refresh_session.turn_hash THEN
        UPDATE core.session AS s SET ended_at = clock_timestamp() WHERE s.id = found.id;
        PERFORM core.append_audit(
            w.id, NULL, 'TOKEN_REUSED', 'core.account', found.account_id,
            jsonb_build_object('session_id', found.id, 'client', refresh_session.client, 'address', refresh_session.address)
        )
        FROM core.workspace AS w
        WHERE w.personal_account_id = found.account_id;
        RETURN QUERY SELECT 'REUSED', found.id, found.account_id, found.idle_until, found.expires_at;
    ELSE
        RETURN QUERY
        UPDATE core.session AS s
        SET turn_hash = refresh_session.next_turn_hash,
            refreshed_at = clock_timestamp(),
            idle_until = least(clock_timestamp() + refresh_session.idle, s.expires_at)
        WHERE s.id = found.id
        RETURNING 'REFRESHED', s.id, s.account_id, s.idle_until, s.expires_at;
    END IF;
END
$$;

-- Ends sessions of an account, one or all but one, and says so. For functions that know whose they may end.
CREATE FUNCTION core.end_sessions_of(account_id uuid, only_id uuid, but_id uuid, reason text) RETURNS bigint
LANGUAGE sql VOLATILE
SET search_path = ''
BEGIN ATOMIC
    WITH ended AS (
        UPDATE core.session AS s
        SET ended_at = clock_timestamp()
        WHERE s.account_id = end_sessions_of.account_id
            AND s.ended_at IS NULL
            AND (end_sessions_of.only_id IS NULL OR s.id = end_sessions_of.only_id)
            AND (end_sessions_of.but_id IS NULL OR s.id <> end_sessions_of.but_id)
        RETURNING s.id
    )
    SELECT count(
        core.append_audit(
            w.id, core.current_account_id(), 'SIGN_OUT', 'core.account', end_sessions_of.account_id,
            jsonb_build_object('session_id', e.id, 'reason', end_sessions_of.reason)
        )
    )
    FROM ended AS e
    JOIN core.workspace AS w ON w.personal_account_id = end_sessions_of.account_id;
END;

-- The same by a person, of the own.
CREATE FUNCTION core.end_sessions(only_id uuid, but_id uuid, reason text) RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = ''
RETURN core.end_sessions_of(core.current_account_id(), end_sessions.only_id, end_sessions.but_id, end_sessions.reason);

-- As before, and nobody where the session that the token names has ended, or is another account's.
CREATE FUNCTION core.authenticate_identity(issuer text, subject text, workspace_id uuid, session_id uuid)
RETURNS TABLE (account_id uuid, member_workspace_id uuid, role text, curator boolean)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    SELECT i.account_id, m.workspace_id, m.role, EXISTS (SELECT FROM core.curator AS c WHERE c.account_id = i.account_id)
    FROM core.identity AS i
    LEFT JOIN core.workspace AS w ON w.personal_account_id = i.account_id
    LEFT JOIN core.member AS m
        ON m.account_id = i.account_id
        AND m.workspace_id = coalesce(authenticate_identity.workspace_id, w.id)
    WHERE i.issuer = authenticate_identity.issuer
        AND i.subject = authenticate_identity.subject
        AND (
            authenticate_identity.session_id IS NULL
            OR EXISTS (
                SELECT
                FROM core.session AS s
                WHERE s.id = authenticate_identity.session_id
                    AND s.account_id = i.account_id
                    AND s.ended_at IS NULL
            )
        );
END;

-- As before, and none whose session has ended.
CREATE FUNCTION core.list_caller(account_ids uuid[], workspace_ids uuid[], api_key_ids uuid[], session_ids uuid[])
RETURNS TABLE (place bigint, role text, curator boolean)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    SELECT a.place, m.role, EXISTS (SELECT FROM core.curator AS c WHERE c.account_id = a.account_id)
    FROM unnest(list_caller.account_ids, list_caller.workspace_ids, list_caller.api_key_ids, list_caller.session_ids)
        WITH ORDINALITY AS a (account_id, workspace_id, api_key_id, session_id, place)
    JOIN core.member AS m ON m.workspace_id = a.workspace_id AND m.account_id = a.account_id
    WHERE CASE
        WHEN a.api_key_id IS NOT NULL THEN EXISTS (
            SELECT
            FROM core.api_key AS k
            WHERE k.workspace_id = a.workspace_id
                AND k.id = a.api_key_id
                AND k.account_id = a.account_id
                AND k.revoked_at IS NULL
                AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())
        )
        WHEN a.session_id IS NOT NULL THEN EXISTS (
            SELECT FROM core.session AS s WHERE s.id = a.session_id AND s.account_id = a.account_id AND s.ended_at IS NULL
        )
        ELSE EXISTS (SELECT FROM core.identity AS i WHERE i.account_id = a.account_id)
    END;
END;

REVOKE ALL ON FUNCTION
core.open_session(uuid, bytea, bytea, text, text, text, interval, interval),
core.refresh_session(bytea, bytea, bytea, text, text, interval),
core.end_sessions_of(uuid, uuid, uuid, text),
core.end_sessions(uuid, uuid, text),
core.authenticate_identity(text, text, uuid, uuid),
core.list_caller(uuid[], uuid[], uuid[], uuid[])
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
core.open_session(uuid, bytea, bytea, text, text, text, interval, interval),
core.refresh_session(bytea, bytea, bytea, text, text, interval),
core.end_sessions(uuid, uuid, text),
core.authenticate_identity(text, text, uuid, uuid),
core.list_caller(uuid[], uuid[], uuid[], uuid[])
TO fivefold_api;

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.session', 'id', 'technical', 'security', 'include', 'delete', '30 days after its end', NULL),
('core.session', 'account_id', 'identifier', 'security', 'include', 'delete', '30 days after its end', NULL),
('core.session', 'created_at', 'personal', 'security', 'include', 'delete', '30 days after its end', NULL),
('core.session', 'refreshed_at', 'personal', 'security', 'include', 'delete', '30 days after its end', NULL),
('core.session', 'idle_until', 'technical', 'security', 'include', 'delete', '30 days after its end', NULL),
('core.session', 'expires_at', 'technical', 'security', 'include', 'delete', '30 days after its end', NULL),
('core.session', 'ended_at', 'personal', 'security', 'include', 'delete', '30 days after its end', NULL),
('core.session', 'family_hash', 'secret', 'security', 'omit', 'delete', '30 days after its end', NULL),
('core.session', 'turn_hash', 'secret', 'security', 'omit', 'delete', '30 days after its end', NULL),
('core.session', 'method', 'personal', 'security', 'include', 'delete', '30 days after its end', NULL),
('core.session', 'client', 'personal', 'security', 'include', 'delete', '30 days after its end', NULL),
('core.session', 'address', 'personal', 'security', 'include', 'delete', '30 days after its end', NULL);
