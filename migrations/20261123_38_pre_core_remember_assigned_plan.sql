-- Why:      what a curator gave is not taken away in silence by what a payment provider tells, perhaps of long ago.
-- Change:   core.workspace.assigned_plan; core.workspace.plan is the largest of it and of what is paid for or tried.
-- Locks:    ACCESS EXCLUSIVE on core.workspace for a moment: a constant default, no rewrite.
-- Data:     workspaces that have a plan and never subscribed were given it.
-- Old code: assigns plans that the next event of a subscription takes away, as before.
-- Rollback: forgets what was assigned; the plan at hand stays until a subscription says otherwise.
-- depends: 20261123_34_pre_core_tell_of_payments 20261122_57_pre_core_create_erasure

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- No foreign key: it is written together with plan, which has one, and plans are never deleted.
ALTER TABLE core.workspace ADD COLUMN assigned_plan text NOT NULL DEFAULT 'free';
COMMENT ON COLUMN core.workspace.assigned_plan IS 'What a curator gave; it comes back when a larger one is no longer paid for or tried.';

UPDATE core.workspace AS w
SET assigned_plan = w.plan
WHERE w.plan <> 'free'
    AND NOT EXISTS (SELECT FROM core.subscription AS s WHERE s.workspace_id = w.id);

-- allow drop-trigger: the same comes back in this transaction, with other columns.
DROP TRIGGER audit_insert ON core.workspace;
-- allow drop-trigger: as above.
DROP TRIGGER audit_update ON core.workspace;
-- allow drop-trigger: as above.
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

-- The largest plan of what is paid for, tried, and assigned.
CREATE FUNCTION core.largest_plan(workspace_id uuid, assigned text) RETURNS text
LANGUAGE sql VOLATILE
SET search_path = ''
BEGIN ATOMIC
    SELECT p.slug
    FROM core.plan AS p
    WHERE p.slug = largest_plan.assigned
        OR p.slug IN (
            SELECT s.plan
            FROM core.subscription AS s
            WHERE s.workspace_id = largest_plan.workspace_id
                AND (
                    s.status = 'active'
                    OR s.status = 'trial' AND (s.provider_subscription_id IS NOT NULL OR s.trial_ends_at > now())
                    OR s.status = 'past_due' AND s.grace_until > now()
                )
        )
    ORDER BY p.position DESC
    LIMIT 1;
END;

-- The plan of the caller's workspace is the largest that it pays for, tries or was given; without one, the free one. Who comes at
-- the same moment waits, and sees what the other did.
CREATE OR REPLACE FUNCTION core.follow_subscription() RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ''
AS $$
DECLARE
    tenant uuid := core.current_workspace_id();
    given  text;
    wanted text;
BEGIN
    SELECT w.assigned_plan INTO given
    FROM core.workspace AS w
    WHERE w.id = tenant
    FOR NO KEY UPDATE;
    wanted := core.largest_plan(tenant, given);
    UPDATE core.workspace AS w
    SET plan = wanted
    WHERE w.id = tenant
        AND w.plan <> wanted;
    RETURN wanted;
END
$$;

-- Curators see no workspace but their own; this tells them only whether there is one. What is paid for stays where it is larger.
CREATE OR REPLACE FUNCTION core.assign_plan(workspace_id uuid, plan text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ''
AS $$
BEGIN
    PERFORM 1
    FROM core.workspace AS w
    WHERE w.id = assign_plan.workspace_id
        AND w.kind <> 'system'
        AND core.is_curator()
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    UPDATE core.workspace AS w
    SET assigned_plan = assign_plan.plan,
        plan = core.largest_plan(assign_plan.workspace_id, assign_plan.plan)
    WHERE w.id = assign_plan.workspace_id;
    RETURN true;
END
$$;

REVOKE ALL ON FUNCTION core.largest_plan(uuid, text) FROM PUBLIC;

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.workspace', 'assigned_plan', 'technical', 'account', 'include', 'keep', 'workspace', 'A pseudonym: what was kept for others still refers to it, and nothing else of the workspace is left in the row.');
