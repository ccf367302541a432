-- Why:      who deletes the own account by mistake, or in anger, has some time to bring it back; then it is erased.
-- Change:   core.delete_account(), core.restore_account(), core.take_account_restore(), core.request_account_restore(); every way in
--           asks whether the account is deleted. Its personal workspace carries that: it is where all that rests already looks.
-- Locks:    ACCESS EXCLUSIVE on core.email_token, and SHARE UPDATE EXCLUSIVE on core.workspace for its comment: for a moment.
-- Data:     the retention of mails' tokens in the data inventory.
-- Old code: goes on: no function of the database lets anybody into a deleted account.
-- Rollback: deleted accounts are there again and their erasures are canceled.
-- depends: 20261123_45_pre_core_delete_workspace 20261122_57_pre_core_create_erasure 20261122_15_pre_core_add_meet_identity 20261124_60_pre_core_repeat_lost_refresh

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

COMMENT ON COLUMN core.workspace.deleted_at IS
'Since then nobody gets in; of a personal workspace: into the account. It is restored until core.erasure says it is due.';

-- allow ban-drop-constraint: a wider one takes its place in the same transaction.
ALTER TABLE core.email_token DROP CONSTRAINT email_token_kind_known;
-- allow constraint-missing-not-valid: a mail a person asks for, of two days; with the old constraint every row fulfills it.
ALTER TABLE core.email_token ADD CONSTRAINT email_token_kind_known CHECK (
    kind IN ('PASSWORD_RESET', 'EMAIL_VERIFICATION', 'EMAIL_CHANGE', 'PASSWORD_CHANGED', 'EMAIL_CHANGED', 'ACCOUNT_RESTORE')
);
UPDATE core.data_inventory AS i
SET retention = '2 days, or until a deleted account is erased'
WHERE i.object = 'core.email_token';

-- Members whose accounts are not deleted.
CREATE FUNCTION core.list_present_member(workspace_id uuid) RETURNS TABLE (account_id uuid, role text)
LANGUAGE sql STABLE
SET search_path = ''
BEGIN ATOMIC
    SELECT m.account_id, m.role
    FROM core.member AS m
    WHERE m.workspace_id = list_present_member.workspace_id
        AND NOT EXISTS (SELECT FROM core.workspace AS d WHERE d.personal_account_id = m.account_id AND d.deleted_at IS NOT NULL);
END;

-- As before, and nobody whose account is deleted.
CREATE OR REPLACE FUNCTION core.authenticate_identity(issuer text, subject text, workspace_id uuid, session_id uuid)
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
        AND NOT EXISTS (SELECT FROM core.workspace AS d WHERE d.id = authenticate_identity.workspace_id AND d.deleted_at IS NOT NULL)
    WHERE i.issuer = authenticate_identity.issuer
        AND i.subject = authenticate_identity.subject
        AND w.deleted_at IS NULL
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

-- As before, and nobody whose account is deleted.
CREATE OR REPLACE FUNCTION core.list_caller(account_ids uuid[], workspace_ids uuid[], api_key_ids uuid[], session_ids uuid[])
RETURNS TABLE (place bigint, role text, curator boolean)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    SELECT a.place, m.role, EXISTS (SELECT FROM core.curator AS c WHERE c.account_id = a.account_id)
    FROM unnest(list_caller.account_ids, list_caller.workspace_ids, list_caller.api_key_ids, list_caller.session_ids)
        WITH ORDINALITY AS a (account_id, workspace_id, api_key_id, session_id, place)
    JOIN core.member AS m ON m.workspace_id = a.workspace_id AND m.account_id = a.account_id
    WHERE NOT EXISTS (SELECT FROM core.workspace AS d WHERE d.id = a.workspace_id AND d.deleted_at IS NOT NULL)
        AND NOT EXISTS (SELECT FROM core.workspace AS d WHERE d.personal_account_id = a.account_id AND d.deleted_at IS NOT NULL)
        AND CASE
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

-- As before, and no key of somebody whose account is deleted, wherever it is good.
CREATE OR REPLACE FUNCTION core.authenticate_api_key(secret_hash bytea)
RETURNS TABLE (api_key_id uuid, account_id uuid, member_workspace_id uuid, role text, scopes text[])
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    UPDATE core.api_key AS k
    SET last_used_at = clock_timestamp()
    FROM (
        SELECT s.workspace_id, s.id
        FROM core.api_key AS s
        WHERE s.secret_hash = authenticate_api_key.secret_hash
            AND s.revoked_at IS NULL
            AND (s.expires_at IS NULL OR s.expires_at > clock_timestamp())
            AND (s.last_used_at IS NULL OR s.last_used_at < clock_timestamp() - interval '1 minute')
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS stale
    WHERE k.workspace_id = stale.workspace_id
        AND k.id = stale.id;

    SELECT k.id, k.account_id, k.workspace_id, m.role, k.scopes
    FROM core.api_key AS k
    JOIN core.member AS m ON m.workspace_id = k.workspace_id AND m.account_id = k.account_id
    WHERE k.secret_hash = authenticate_api_key.secret_hash
        AND k.revoked_at IS NULL
        AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())
        AND NOT EXISTS (SELECT FROM core.workspace AS d WHERE d.id = k.workspace_id AND d.deleted_at IS NOT NULL)
        AND NOT EXISTS (SELECT FROM core.workspace AS d WHERE d.personal_account_id = k.account_id AND d.deleted_at IS NOT NULL);
END;

-- As before; a deleted account is not signed in to, whatever the proof.
CREATE OR REPLACE FUNCTION core.open_session(
    account_id uuid, family_hash bytea, turn_hash bytea, method text, client text, address text, idle interval, lifetime interval
)
RETURNS SETOF core.session
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = ''
AS $$
DECLARE
    opened core.session;
BEGIN
    -- Held, so that who deletes the account meanwhile waits for the session, and ends it.
    PERFORM FROM core.workspace AS w WHERE w.personal_account_id = open_session.account_id FOR SHARE;
    IF EXISTS (SELECT FROM core.workspace AS w WHERE w.personal_account_id = open_session.account_id AND w.deleted_at IS NOT NULL) THEN
        RAISE EXCEPTION 'a deleted account is not signed in to' USING ERRCODE = 'check_violation', CONSTRAINT = 'account_not_deleted';
    END IF;
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

-- As before; for a deleted account a token that restores it, good until it is erased.
CREATE OR REPLACE FUNCTION core.prepare_email_token(id uuid, token_hash bytea)
RETURNS TABLE (kind text, email text, display_name text, taken boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = ''
AS $$
DECLARE
    asked core.email_token;
    owner core.account;
    other core.account;
    until timestamptz;
BEGIN
    SELECT t.* INTO asked FROM core.email_token AS t WHERE t.id = prepare_email_token.id AND t.expires_at > now() FOR UPDATE;
    IF asked.id IS NULL THEN
        RETURN;
    END IF;
    IF asked.kind = 'ACCOUNT_RESTORE' THEN
        SELECT a.* INTO owner
        FROM core.account AS a
        JOIN core.workspace AS w ON w.personal_account_id = a.id
        WHERE a.email = asked.email
            AND a.email_verified_at IS NOT NULL
            AND w.deleted_at IS NOT NULL;
        SELECT e.due_at INTO until
        FROM core.erasure AS e
        WHERE e.account_id = owner.id
            AND e.canceled_at IS NULL
            AND e.erased_at IS NULL;
    ELSIF asked.kind = 'PASSWORD_RESET' THEN
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
        expires_at = coalesce(
            until, asked.created_at + CASE WHEN asked.kind = 'PASSWORD_RESET' THEN interval '1 hour' ELSE interval '2 days' END
        )
    WHERE t.id = asked.id;
    RETURN QUERY SELECT asked.kind, asked.email, coalesce(other.display_name, owner.display_name), other.id IS NOT NULL;
END
$$;

-- As before; and who is there has an owner who is there, but for what an erasure leaves.
CREATE OR REPLACE FUNCTION core.keep_owner() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ''
AS $$
BEGIN
    PERFORM FROM core.workspace AS w WHERE w.id = OLD.workspace_id AND w.kind = 'organization' AND w.erased_at IS NULL FOR NO KEY UPDATE;
    IF FOUND AND (
        NOT EXISTS (SELECT FROM core.member AS m WHERE m.workspace_id = OLD.workspace_id AND m.role = 'owner')
        OR (
            EXISTS (SELECT FROM core.list_present_member(OLD.workspace_id))
            AND NOT EXISTS (SELECT FROM core.list_present_member(OLD.workspace_id) AS p WHERE p.role = 'owner')
            AND NOT EXISTS (SELECT FROM core.erasure AS e WHERE e.xid = pg_current_xact_id())
        )
    ) THEN
        RAISE EXCEPTION 'an organization keeps an owner' USING ERRCODE = 'check_violation', CONSTRAINT = 'member_owner_stays';
    END IF;
    RETURN NULL;
END
$$;

-- Deletes the caller's account, which may be restored for so many days; the ledger of erasures knows when it goes for good. What was
-- scheduled before comes at the nearer moment. outcome is DELETED, or why not: UNKNOWN, OWNER where others would be left without an
-- owner. Of two owners who go at once, one stays: both hold the organization's row.
CREATE FUNCTION core.delete_account(days integer)
RETURNS TABLE (outcome text, deleted_at timestamptz, restorable_until timestamptz, notice_id uuid)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = ''
AS $$
DECLARE
    own uuid := core.current_account_id();
BEGIN
    PERFORM
    FROM core.workspace AS w
    WHERE w.personal_account_id = own
        OR w.id IN (SELECT m.workspace_id FROM core.member AS m WHERE m.account_id = own AND m.role = 'owner')
    ORDER BY w.id
    FOR NO KEY UPDATE;
    outcome := 'DELETED';
    IF EXISTS (
        SELECT
        FROM core.member AS m
        JOIN core.workspace AS w ON w.id = m.workspace_id
        WHERE m.account_id = own
            AND m.role = 'owner'
            AND w.kind = 'organization'
            AND w.deleted_at IS NULL
            AND EXISTS (SELECT FROM core.list_present_member(w.id) AS p WHERE p.account_id <> own)
            AND NOT EXISTS (SELECT FROM core.list_present_member(w.id) AS p WHERE p.account_id <> own AND p.role = 'owner')
    ) THEN
        outcome := 'OWNER';
        RETURN NEXT;
        RETURN;
    END IF;
    UPDATE core.workspace AS w
    SET deleted_at = clock_timestamp()
    WHERE w.personal_account_id = own
        AND w.deleted_at IS NULL
    RETURNING w.deleted_at INTO delete_account.deleted_at;
    IF NOT FOUND THEN
        outcome := 'UNKNOWN';
        RETURN NEXT;
        RETURN;
    END IF;
    PERFORM core.end_sessions_of(own, NULL, NULL, 'ACCOUNT_DELETED');
    DELETE FROM core.email_token AS t WHERE t.account_id = own;
    INSERT INTO core.erasure AS e (account_id, due_at)
    VALUES (own, delete_account.deleted_at + make_interval(days => delete_account.days))
    ON CONFLICT (account_id) WHERE canceled_at IS NULL AND erased_at IS NULL DO UPDATE
    SET due_at = least(e.due_at, excluded.due_at)
    RETURNING e.due_at INTO restorable_until;
    INSERT INTO core.email_token AS t (account_id, kind, email)
    SELECT a.id, 'ACCOUNT_RESTORE', a.email FROM core.account AS a WHERE a.id = own
    RETURNING t.id INTO notice_id;
    RETURN NEXT;
END
$$;

-- Restores an account, whose caller has seen proof of who its owner is; false where it is not deleted, or its time is over. The
-- ledger's row first, as core.erase() does: of a restore and the erasure, one waits for the other and then finds nothing to do.
CREATE FUNCTION core.restore_account(account_id uuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = ''
AS $$
BEGIN
    UPDATE core.erasure AS e
    SET canceled_at = clock_timestamp()
    WHERE e.account_id = restore_account.account_id
        AND e.canceled_at IS NULL
        AND e.erased_at IS NULL
        AND e.due_at > clock_timestamp()
        AND EXISTS (SELECT FROM core.workspace AS w WHERE w.personal_account_id = e.account_id AND w.deleted_at IS NOT NULL);
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE core.workspace AS w
    SET deleted_at = NULL
    WHERE w.personal_account_id = restore_account.account_id
        AND w.deleted_at IS NOT NULL;
    DELETE FROM core.email_token AS t WHERE t.account_id = restore_account.account_id;
    RETURN true;
END
$$;

-- Whose account a mailed token restores. Used up by it.
CREATE FUNCTION core.take_account_restore(token_hash bytea) RETURNS TABLE (account_id uuid)
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    DELETE FROM core.email_token AS t
    USING core.account AS a
    WHERE t.token_hash = take_account_restore.token_hash
        AND t.kind = 'ACCOUNT_RESTORE'
        AND t.expires_at > clock_timestamp()
        AND a.id = t.account_id
        AND a.email = t.email
    RETURNING t.account_id;
END;

-- The same work whether or not the address has an account, and whether or not that is deleted.
CREATE FUNCTION core.request_account_restore(email text) RETURNS uuid
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    INSERT INTO core.email_token AS t (kind, email) VALUES ('ACCOUNT_RESTORE', request_account_restore.email) RETURNING t.id;
END;

REVOKE ALL ON FUNCTION
core.list_present_member(uuid),
core.delete_account(integer),
core.restore_account(uuid),
core.take_account_restore(bytea),
core.request_account_restore(text)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
core.delete_account(integer),
core.restore_account(uuid),
core.take_account_restore(bytea),
core.request_account_restore(text)
TO fivefold_api;
