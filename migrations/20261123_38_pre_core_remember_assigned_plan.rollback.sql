SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE OR REPLACE FUNCTION core.assign_plan(workspace_id uuid, plan text) RETURNS boolean
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    UPDATE core.workspace AS w
    SET plan = assign_plan.plan
    WHERE w.id = assign_plan.workspace_id
        AND w.kind <> 'system'
        AND core.is_curator()
    RETURNING true;
END;

CREATE OR REPLACE FUNCTION core.follow_subscription() RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ''
AS $$
DECLARE
    tenant uuid := core.current_workspace_id();
    wanted text;
BEGIN
    PERFORM 1
    FROM core.workspace AS w
    WHERE w.id = tenant
    FOR NO KEY UPDATE;
    SELECT p.slug INTO wanted
    FROM core.subscription AS s
    JOIN core.plan AS p ON p.slug = s.plan
    WHERE s.workspace_id = tenant
        AND (
            s.status = 'active'
            OR s.status = 'trial' AND (s.provider_subscription_id IS NOT NULL OR s.trial_ends_at > now())
            OR s.status = 'past_due' AND s.grace_until > now()
        )
    ORDER BY p.position DESC
    LIMIT 1;
    UPDATE core.workspace AS w
    SET plan = coalesce(wanted, 'free')
    WHERE w.id = tenant
        AND w.plan <> coalesce(wanted, 'free');
    RETURN coalesce(wanted, 'free');
END
$$;

DROP FUNCTION core.largest_plan(uuid, text);

-- allow drop-trigger: the same comes back in this transaction, with other columns.
DROP TRIGGER audit_insert ON core.workspace;
-- allow drop-trigger: as above.
DROP TRIGGER audit_update ON core.workspace;
-- allow drop-trigger: as above.
DROP TRIGGER audit_delete ON core.workspace;
CREATE TRIGGER audit_insert AFTER INSERT ON core.workspace REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION
core.record_audit('id', 'id', 'id,kind,name,personal_account_id,plan,color,logo_url,default_role,key_days');
CREATE TRIGGER audit_update AFTER UPDATE ON core.workspace REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION
core.record_audit('id', 'id', 'id,kind,name,personal_account_id,plan,color,logo_url,default_role,key_days');
CREATE TRIGGER audit_delete AFTER DELETE ON core.workspace REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION
core.record_audit('id', 'id', 'id,kind,name,personal_account_id,plan,color,logo_url,default_role,key_days');
ALTER TABLE core.workspace ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE core.workspace ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE core.workspace ENABLE ALWAYS TRIGGER audit_delete;

ALTER TABLE core.workspace DROP COLUMN assigned_plan;

DELETE FROM core.data_inventory
WHERE object = 'core.workspace'
    AND column_name = 'assigned_plan';
