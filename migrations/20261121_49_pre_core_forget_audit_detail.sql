-- Why:      what an event tells of a row must not outlive the row's retention; the event itself stays and still verifies.
-- Change:   core.forget_audit_detail(), the one door to delete details, and what keeps it narrow.
-- Locks:    SHARE ROW EXCLUSIVE and ACCESS EXCLUSIVE on core.audit_detail and core.audit_event, for a moment.
-- Data:     no rows are written.
-- Old code: goes on; nobody could delete a detail before, and only the worker can now.
-- Rollback: nobody can delete a detail again.
-- depends: 20261120_02_pre_core_create_audit

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- Three walls stand around the door. Only the definer, whom nobody logs in as, may delete, and only details of the declared
-- workspace. And whoever deletes, only what tells of an object that is gone, by the audit's own word.
GRANT SELECT ON core.audit_event TO fivefold_definer;
GRANT SELECT, DELETE ON core.audit_detail TO fivefold_definer;
CREATE POLICY definer_reads ON core.audit_event FOR SELECT TO fivefold_definer
USING (workspace_id = (SELECT core.current_workspace_id()));
CREATE POLICY definer_reads ON core.audit_detail FOR SELECT TO fivefold_definer
USING (workspace_id = (SELECT core.current_workspace_id()));
CREATE POLICY definer_forgets ON core.audit_detail FOR DELETE TO fivefold_definer
USING (workspace_id = (SELECT core.current_workspace_id()));

CREATE TRIGGER append_only_delete BEFORE DELETE ON core.audit_detail
FOR EACH ROW WHEN (current_user <> 'fivefold_definer') EXECUTE FUNCTION core.refuse_change();
ALTER TABLE core.audit_detail ENABLE ALWAYS TRIGGER append_only_delete;
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE ON core.audit_detail
FOR EACH ROW EXECUTE FUNCTION core.refuse_change();
ALTER TABLE core.audit_detail ENABLE ALWAYS TRIGGER append_only;

CREATE FUNCTION core.refuse_living() RETURNS trigger
LANGUAGE plpgsql
SET search_path = ''
AS $$
BEGIN
    IF EXISTS (
        WITH touched AS (
            SELECT DISTINCT e.workspace_id, e.object_id
            FROM old_rows AS o
            JOIN core.audit_event AS e ON e.workspace_id = o.workspace_id AND e.id = o.event_id
        ),
        told AS (
            SELECT e.object_id, bool_or(e.action = 'INSERT') AS made, bool_or(e.action = 'DELETE') AS gone
            FROM touched AS t
            JOIN core.audit_event AS e ON e.workspace_id = t.workspace_id AND e.object_id = t.object_id
            GROUP BY e.object_id, e.object
        )
        SELECT
        FROM told AS t
        GROUP BY t.object_id
        HAVING bool_or(t.made AND NOT t.gone) OR NOT bool_or(t.gone)
    ) THEN
        RAISE EXCEPTION 'a detail of an object that is still there is not forgotten' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER append_only_living AFTER DELETE ON core.audit_detail REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.refuse_living();
ALTER TABLE core.audit_detail ENABLE ALWAYS TRIGGER append_only_living;

-- The details of all events that tell of these objects of the workspace, each of which must be gone. Returns how many there were.
CREATE FUNCTION core.forget_audit_detail(object_ids uuid[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ''
AS $$
DECLARE
    forgotten bigint;
BEGIN
    DELETE FROM core.audit_detail AS d
    USING core.audit_event AS e
    WHERE e.workspace_id = core.current_workspace_id()
        AND e.object_id = ANY (forget_audit_detail.object_ids)
        AND d.workspace_id = e.workspace_id
        AND d.event_id = e.id;
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    RETURN forgotten;
END
$$;

REVOKE ALL ON FUNCTION core.forget_audit_detail(uuid[]) FROM PUBLIC;
-- A function changes hands only to a role that may create in its schema.
GRANT CREATE ON SCHEMA core TO fivefold_definer;
ALTER FUNCTION core.forget_audit_detail(uuid[]) OWNER TO fivefold_definer;
REVOKE CREATE ON SCHEMA core FROM fivefold_definer;
SET LOCAL ROLE fivefold_definer;
GRANT EXECUTE ON FUNCTION core.forget_audit_detail(uuid[]) TO fivefold_worker;
SET LOCAL ROLE fivefold_owner;
