SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DROP FUNCTION core.list_deleted_workspace();
DROP FUNCTION core.restore_workspace(uuid);
DROP FUNCTION core.delete_workspace(uuid, text, integer);
UPDATE core.erasure AS e
SET canceled_at = now()
FROM core.workspace AS w
WHERE w.id = e.workspace_id
    AND w.deleted_at IS NOT NULL
    AND e.canceled_at IS NULL
    AND e.erased_at IS NULL;
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

CREATE OR REPLACE FUNCTION core.list_caller(account_ids uuid[], workspace_ids uuid[], api_key_ids uuid[], session_ids uuid[])
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
        AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp());
END;

CREATE OR REPLACE FUNCTION core.list_membership()
RETURNS TABLE (
    workspace_id uuid, kind text, name text, color text, logo_url text, role text, joined_at timestamptz
)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    SELECT w.id, w.kind, w.name, w.color, w.logo_url, m.role, m.joined_at
    FROM core.member AS m
    JOIN core.workspace AS w ON w.id = m.workspace_id
    WHERE m.account_id = core.current_account_id();
END;

CREATE OR REPLACE FUNCTION core.add_member(workspace_id uuid, account_id uuid, role text)
RETURNS TABLE (outcome text, reached bigint, used bigint, plan text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = ''
AS $$
BEGIN
    SELECT l.amount, p.slug
    INTO reached, plan
    FROM core.workspace AS w
    JOIN core.plan AS p ON p.slug = w.plan
    LEFT JOIN core.plan_limit AS l ON l.plan_id = p.id AND l.name = 'core.members'
    WHERE w.id = add_member.workspace_id
        AND w.kind = 'organization'
    FOR NO KEY UPDATE OF w;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT count(*) INTO used FROM core.member AS m WHERE m.workspace_id = add_member.workspace_id;
    IF EXISTS (
        SELECT FROM core.member AS m WHERE m.workspace_id = add_member.workspace_id AND m.account_id = add_member.account_id
    ) THEN
        outcome := 'MEMBER';
    ELSIF used >= reached THEN
        outcome := 'LIMIT';
    ELSE
        outcome := 'JOINED';
        INSERT INTO core.member (workspace_id, account_id, role)
        VALUES (add_member.workspace_id, add_member.account_id, add_member.role);
    END IF;
    RETURN NEXT;
END
$$;

CREATE OR REPLACE FUNCTION core.answer_invitation(token_hash bytea, invitation_id uuid, accept boolean)
RETURNS TABLE (outcome text, of_workspace_id uuid, reached bigint, used bigint, plan text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = ''
AS $$
DECLARE
    found core.invitation;
    own   core.account;
BEGIN
    SELECT a.* INTO own FROM core.account AS a WHERE a.id = core.current_account_id();
    SELECT i.* INTO found FROM core.invitation AS i
    WHERE i.token_hash = answer_invitation.token_hash
        OR i.id = answer_invitation.invitation_id AND i.email = own.email AND own.email_verified_at IS NOT NULL;
    -- All that changes a workspace's invitations holds its row first.
    PERFORM FROM core.workspace AS w WHERE w.id = found.workspace_id FOR NO KEY UPDATE;
    SELECT i.* INTO found FROM core.invitation AS i
    WHERE i.workspace_id = found.workspace_id
        AND i.id = found.id
        AND (answer_invitation.token_hash IS NULL OR i.token_hash = answer_invitation.token_hash)
        AND i.state = 'OPEN'
        AND i.expires_at > now()
        AND EXISTS (
            SELECT
            FROM core.member AS m
            WHERE m.workspace_id = i.workspace_id
                AND m.account_id = i.account_id
                AND m.role IN ('owner', CASE WHEN i.role <> 'owner' THEN 'admin' END)
        )
    FOR UPDATE;
    of_workspace_id := found.workspace_id;
    outcome := CASE
        WHEN own.id IS NULL OR found.id IS NULL THEN 'GONE'
        WHEN own.email <> found.email THEN 'ADDRESS'
        WHEN own.email_verified_at IS NULL THEN 'UNVERIFIED'
        WHEN NOT answer_invitation.accept THEN 'DECLINED'
    END;
    IF outcome IS NULL THEN
        SELECT a.outcome, a.reached, a.used, a.plan
        INTO outcome, reached, used, plan
        FROM core.add_member(found.workspace_id, own.id, found.role) AS a;
    END IF;
    IF outcome IN ('JOINED', 'MEMBER', 'DECLINED') THEN
        UPDATE core.invitation AS i
        SET state = CASE WHEN answer_invitation.accept THEN 'ACCEPTED' ELSE 'DECLINED' END, closed_at = now(), token_hash = NULL
        WHERE i.workspace_id = found.workspace_id
            AND i.id = found.id;
    END IF;
    RETURN NEXT;
END
$$;

CREATE OR REPLACE FUNCTION core.list_own_invitation()
RETURNS TABLE (
    id uuid, workspace_name text, color text, logo_url text, role text, created_at timestamptz, expires_at timestamptz
)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    SELECT i.id, w.name, w.color, w.logo_url, i.role, i.created_at, i.expires_at
    FROM core.account AS a
    JOIN core.invitation AS i ON i.email = a.email
    JOIN core.workspace AS w ON w.id = i.workspace_id
    JOIN core.member AS m ON m.workspace_id = i.workspace_id AND m.account_id = i.account_id
    WHERE a.id = core.current_account_id()
        AND a.email_verified_at IS NOT NULL
        AND i.state = 'OPEN'
        AND i.expires_at > now()
        AND m.role IN ('owner', CASE WHEN i.role <> 'owner' THEN 'admin' END);
END;

CREATE OR REPLACE FUNCTION core.list_joinable()
RETURNS TABLE (workspace_id uuid, workspace_name text, color text, logo_url text, domain text, role text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    SELECT d.workspace_id, w.name, w.color, w.logo_url, d.name, d.role
    FROM core.account AS a
    JOIN core.domain AS d ON d.name = split_part(a.email, '@', -1)
    JOIN core.workspace AS w ON w.id = d.workspace_id
    WHERE a.id = core.current_account_id()
        AND a.email_verified_at IS NOT NULL
        AND d.proven_at IS NOT NULL
        AND d.joining <> 'OFF'
        AND NOT EXISTS (SELECT FROM core.member AS m WHERE m.workspace_id = d.workspace_id AND m.account_id = a.id);
END;
DELETE FROM core.data_inventory AS i
WHERE i.object = 'core.workspace'
    AND i.column_name = 'deleted_at';
DROP TRIGGER audit_insert ON core.workspace;
DROP TRIGGER audit_update ON core.workspace;
DROP TRIGGER audit_delete ON core.workspace;
CREATE TRIGGER audit_insert AFTER INSERT ON core.workspace REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION
core.record_audit('id', 'id', 'id,kind,name,personal_account_id,plan,assigned_plan,color,logo_url,default_role,key_days');
CREATE TRIGGER audit_update AFTER UPDATE ON core.workspace REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION
core.record_audit('id', 'id', 'id,kind,name,personal_account_id,plan,assigned_plan,color,logo_url,default_role,key_days');
CREATE TRIGGER audit_delete AFTER DELETE ON core.workspace REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION
core.record_audit('id', 'id', 'id,kind,name,personal_account_id,plan,assigned_plan,color,logo_url,default_role,key_days');
ALTER TABLE core.workspace ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE core.workspace ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE core.workspace ENABLE ALWAYS TRIGGER audit_delete;
-- allow ban-drop-column: it is the column of what is rolled back.
ALTER TABLE core.workspace DROP COLUMN deleted_at;
