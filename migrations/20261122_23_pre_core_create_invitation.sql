-- Why:      people are asked by mail into an organization, and say themselves whether they come.
-- Change:   core.invitation; core.has_member_email(), core.answer_invitation() and core.list_own_invitation(); a limit for each plan.
-- Locks:    SHARE ROW EXCLUSIVE on core.workspace and core.account while the foreign keys are added.
-- Data:     a limit for each plan; rows of the data inventory.
-- Old code: nothing reads it yet.
-- Rollback: drops every invitation: tokens that were mailed work no longer.
-- depends: 20261122_22_pre_privacy_let_members_go 20261122_05_pre_core_add_create_account

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE core.invitation (
    workspace_id uuid        NOT NULL CONSTRAINT invitation_workspace_id_fkey REFERENCES core.workspace (id),
    id           uuid        NOT NULL DEFAULT uuidv7(),
    account_id   uuid        NOT NULL CONSTRAINT invitation_account_id_fkey REFERENCES core.account (id),
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL DEFAULT now() + interval '7 days',
    sent_at      timestamptz,
    closed_at    timestamptz,
    email        text        NOT NULL
        CONSTRAINT invitation_email_form CHECK (email = lower(email) AND email LIKE '%_@_%' AND length(email) <= 254),
    role         text        NOT NULL
        CONSTRAINT invitation_role_known CHECK (role IN ('owner', 'admin', 'member', 'viewer', 'auditor')),
    state        text        NOT NULL DEFAULT 'OPEN'
        CONSTRAINT invitation_state_known CHECK (state IN ('OPEN', 'ACCEPTED', 'DECLINED', 'REVOKED')),
    token_hash   bytea       CONSTRAINT invitation_token_hash_key UNIQUE
        CONSTRAINT invitation_token_hash_length CHECK (octet_length(token_hash) = 32),
    CONSTRAINT invitation_pkey PRIMARY KEY (workspace_id, id),
    CONSTRAINT invitation_closed_has_time CHECK ((state = 'OPEN') = (closed_at IS NULL)),
    CONSTRAINT invitation_closed_has_no_token CHECK (state = 'OPEN' OR token_hash IS NULL)
);

-- One open invitation for an address; and it finds those of an address in whichever workspace.
CREATE UNIQUE INDEX invitation_email_idx ON core.invitation (email, workspace_id) WHERE state = 'OPEN';
-- Serves the foreign key.
CREATE INDEX invitation_account_id_idx ON core.invitation (account_id);

COMMENT ON TABLE core.invitation IS 'owned. Somebody is asked to become a member, by an address that may have no account yet.';
COMMENT ON COLUMN core.invitation.account_id IS 'Who invites: it counts only while that is a member who may.';
COMMENT ON COLUMN core.invitation.token_hash IS 'sha256 of 32 random bytes as text, made by the job that mails them; NULL until then, and once it is closed.';

ALTER TABLE core.invitation ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.invitation FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON core.invitation TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
-- As the system the worker drops what was settled, or not answered, a month ago.
CREATE POLICY worker_old ON core.invitation TO fivefold_worker
USING (
    (SELECT core.current_workspace_id()) = (SELECT core.system_workspace_id())
    AND coalesce(closed_at, expires_at) < now() - interval '30 days'
);
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON core.invitation TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT, INSERT ON core.invitation TO fivefold_api;
GRANT UPDATE (account_id, expires_at, closed_at, state, token_hash) ON core.invitation TO fivefold_api;
GRANT SELECT, DELETE ON core.invitation TO fivefold_worker;
GRANT UPDATE (sent_at, token_hash) ON core.invitation TO fivefold_worker;

-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_insert AFTER INSERT ON core.invitation REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,account_id,email,role,state,expires_at');
CREATE TRIGGER audit_update AFTER UPDATE ON core.invitation REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,account_id,email,role,state,expires_at');
CREATE TRIGGER audit_delete AFTER DELETE ON core.invitation REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,account_id,email,role,state,expires_at');
ALTER TABLE core.invitation ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE core.invitation ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE core.invitation ENABLE ALWAYS TRIGGER audit_delete;

INSERT INTO core.plan_limit (plan_id, name, amount)
SELECT p.id, 'core.invitations', l.amount
FROM (VALUES ('free', 20::bigint), ('pro', 50), ('premium', 200), ('enterprise', 1000)) AS l (slug, amount)
JOIN core.plan AS p USING (slug);

-- Whether a member of the caller's workspace has an address: asked by those who see the addresses of its members anyway.
CREATE FUNCTION core.has_member_email(email text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
RETURN EXISTS (
    SELECT
    FROM core.member AS m
    JOIN core.account AS a ON a.id = m.account_id
    WHERE m.workspace_id = core.current_workspace_id()
        AND a.email = has_member_email.email
);

-- The way into a workspace: a member more, while its plan allows one, under the lock of the workspace. For functions only, which
-- have asked whether the account may. outcome is JOINED, MEMBER for who is one already, or LIMIT.
CREATE FUNCTION core.add_member(workspace_id uuid, account_id uuid, role text)
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

-- What an invited person answers, found by the token that was mailed or by the invitation's id. The address must be the account's
-- own and proven, the inviter must still be one who may invite so. Besides the outcomes above: GONE for what does not work, for
-- whatever reason; ADDRESS and UNVERIFIED for who holds the token and is not, or not yet, whom it was for; DECLINED.
CREATE FUNCTION core.answer_invitation(token_hash bytea, invitation_id uuid, accept boolean)
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

-- What waits for the caller's proven address, in whichever workspace.
CREATE FUNCTION core.list_own_invitation()
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

REVOKE ALL ON FUNCTION
core.has_member_email(text),
core.add_member(uuid, uuid, text),
core.answer_invitation(bytea, uuid, boolean),
core.list_own_invitation()
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION core.has_member_email(text), core.answer_invitation(bytea, uuid, boolean), core.list_own_invitation()
TO fivefold_api;

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.invitation', 'workspace_id', 'technical', 'service', 'include', 'delete', '30 days after its end', NULL),
('core.invitation', 'id', 'technical', 'service', 'include', 'delete', '30 days after its end', NULL),
('core.invitation', 'account_id', 'identifier', 'service', 'include', 'delete', '30 days after its end', NULL),
('core.invitation', 'created_at', 'technical', 'service', 'include', 'delete', '30 days after its end', NULL),
('core.invitation', 'expires_at', 'technical', 'security', 'include', 'delete', '30 days after its end', NULL),
('core.invitation', 'sent_at', 'technical', 'service', 'include', 'delete', '30 days after its end', NULL),
('core.invitation', 'closed_at', 'technical', 'service', 'include', 'delete', '30 days after its end', NULL),
('core.invitation', 'email', 'identifier', 'service', 'include', 'delete', '30 days after its end', NULL),
('core.invitation', 'role', 'technical', 'security', 'include', 'delete', '30 days after its end', NULL),
('core.invitation', 'state', 'personal', 'service', 'include', 'delete', '30 days after its end', NULL),
('core.invitation', 'token_hash', 'secret', 'security', 'omit', 'delete', '7 days', NULL);
