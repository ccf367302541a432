SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

SET LOCAL fivefold.audit_ddl = 'allowed';

DO $$
BEGIN
    IF EXISTS (SELECT FROM core.audit_retirement) THEN
        RAISE EXCEPTION 'months of the audit are retired: without this table they would look stolen';
    END IF;
END
$$;
DELETE FROM core.data_inventory AS i WHERE i.object = 'core.audit_retirement';
SET LOCAL ROLE fivefold_definer;
DROP FUNCTION core.forget_retired_detail(uuid, uuid);
SET LOCAL ROLE fivefold_owner;
DROP POLICY definer_forgets_retired ON core.audit_detail;
DROP POLICY definer_sees_retired ON core.audit_detail;
DROP FUNCTION core.list_event_between(uuid, uuid, xid8, uuid, integer);
DROP FUNCTION core.retire_audit_month(date, bigint);
DROP TABLE core.audit_retirement;
CREATE FUNCTION core.list_every_event(past_id uuid, past_workspace_id uuid, max_rows integer) RETURNS TABLE (
    workspace_id uuid, id uuid, actor_id uuid, api_key_id uuid, request_id uuid, object_id uuid,
    xid xid8, form smallint, action text, object text, commitment bytea
)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
AS $$
    SELECT e.workspace_id, e.id, e.actor_id, e.api_key_id, e.request_id, e.object_id, e.xid, e.form, e.action, e.object, e.commitment
    FROM core.audit_event AS e
    WHERE (e.id, e.workspace_id) > (past_id, past_workspace_id)
    ORDER BY e.id, e.workspace_id
    LIMIT max_rows
$$;
REVOKE ALL ON FUNCTION core.list_every_event(uuid, uuid, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION core.list_every_event(uuid, uuid, integer) TO fivefold_worker;
