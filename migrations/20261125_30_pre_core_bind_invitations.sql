-- Why:      an invitation of somebody whose account is deleted still let people in, and so did the domain of an organization that
--           nobody is in any more: whoever came first would have become its owner.
-- Change:   core.list_inviter(); core.answer_invitation() and core.list_own_invitation() ask whether the sender is there,
--           core.add_member() and core.list_joinable() whether an owner is.
-- Locks:    none on existing tables.
-- Data:     no rows are written.
-- Old code: goes on; it lets fewer people in.
-- Rollback: invitations of the deleted count again.
-- depends: 20261124_76_pre_core_alert_of_more 20261124_63_pre_core_delete_account 20261123_45_pre_core_delete_workspace

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- Who invites others to the workspace now: members who may, and whose accounts are not deleted. Admins invite no owners.
CREATE FUNCTION core.list_inviter() RETURNS TABLE (account_id uuid, role text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    SELECT p.account_id, p.role
    FROM core.list_present_member(core.current_workspace_id()) AS p
    WHERE p.role IN ('owner', 'admin');
END;

-- As before; nobody comes where no owner is.
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
        AND w.deleted_at IS NULL
        AND EXISTS (SELECT FROM core.list_present_member(w.id) AS p WHERE p.role = 'owner')
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

-- As before; who invited must be there.
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
        AND NOT EXISTS (SELECT FROM core.workspace AS d WHERE d.id = i.workspace_id AND d.deleted_at IS NOT NULL)
        AND EXISTS (
            SELECT
            FROM core.list_present_member(i.workspace_id) AS m
            WHERE m.account_id = i.account_id
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

-- As before, without those of senders whose accounts are deleted.
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
    JOIN LATERAL core.list_present_member(i.workspace_id) AS m ON m.account_id = i.account_id
    WHERE a.id = core.current_account_id()
        AND a.email_verified_at IS NOT NULL
        AND i.state = 'OPEN'
        AND i.expires_at > now()
        AND w.deleted_at IS NULL
        AND m.role IN ('owner', CASE WHEN i.role <> 'owner' THEN 'admin' END);
END;

-- As before, without those that no owner is in.
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
        AND w.deleted_at IS NULL
        AND EXISTS (SELECT FROM core.list_present_member(w.id) AS p WHERE p.role = 'owner')
        AND NOT EXISTS (SELECT FROM core.member AS m WHERE m.workspace_id = d.workspace_id AND m.account_id = a.id);
END;

REVOKE ALL ON FUNCTION core.list_inviter() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION core.list_inviter() TO fivefold_api, fivefold_worker;
