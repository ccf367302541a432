-- Why:      not all that must be provable changes a row: signing in, exporting, reading what is somebody else's.
-- Change:   more actions in core.audit_event; core.append_audit() for definer functions, core.record_action() for requests and jobs.
-- Locks:    ACCESS EXCLUSIVE on core.audit_event for a moment, and SHARE UPDATE EXCLUSIVE while the constraint is validated.
-- Data:     no rows are written.
-- Old code: never writes the new actions; it cannot show events that have them.
-- Rollback: fails while there are events with the new actions, for those can be neither shown nor deleted.
-- depends: 20261121_71_post_privacy_validate_change_origin
SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow ban-drop-constraint: a wider one takes its place in the same transaction.
ALTER TABLE core.audit_event DROP CONSTRAINT audit_event_action_known;
ALTER TABLE core.audit_event ADD CONSTRAINT audit_event_action_known CHECK (
    action IN (
        'INSERT', 'UPDATE', 'DELETE',
        'READ', 'EXPORT', 'ERASE', 'SIGN_IN', 'SIGN_IN_REFUSED', 'SIGN_OUT', 'TOKEN_REUSED', 'RETIRE'
    )
) NOT VALID;
-- allow constraint-missing-not-valid: with the old constraint every row fulfills it; reading them takes seconds.
ALTER TABLE core.audit_event VALIDATE CONSTRAINT audit_event_action_known;

-- One event that is no change of a row, for whichever workspace and account it concerns: for functions of the owner, which
-- know whom. The settings are those of core.record_audit(), because they change the text that is hashed.
CREATE FUNCTION core.append_audit(workspace_id uuid, actor_id uuid, action text, object text, object_id uuid, detail jsonb)
RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ''
SET timezone = 'UTC'
SET datestyle = 'ISO'
SET intervalstyle = 'postgres'
SET bytea_output = 'hex'
SET extra_float_digits = 1
AS $$
DECLARE
    event_id uuid  := uuidv7();
    salt     bytea := uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid());
    told     jsonb := coalesce(append_audit.detail, '{}');
BEGIN
    IF append_audit.action IN ('INSERT', 'UPDATE', 'DELETE') THEN
        RAISE EXCEPTION 'changes of rows are recorded by their triggers alone' USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO core.audit_detail (workspace_id, event_id, salt, detail)
    VALUES (append_audit.workspace_id, event_id, salt, told);
    INSERT INTO core.audit_event (workspace_id, id, actor_id, api_key_id, request_id, object_id, form, action, object, commitment)
    VALUES (
        append_audit.workspace_id, event_id, append_audit.actor_id, core.current_api_key_id(), core.current_request_id(),
        append_audit.object_id, 1, append_audit.action, append_audit.object, sha256(salt || convert_to(told::text, 'UTF8'))
    );
    RETURN event_id;
END
$$;

-- The same by the caller itself, in its own workspace.
CREATE FUNCTION core.record_action(action text, object text, object_id uuid, detail jsonb) RETURNS uuid
LANGUAGE sql SECURITY DEFINER
SET search_path = ''
RETURN core.append_audit(
    coalesce(core.current_workspace_id(), core.system_workspace_id()),
    core.current_account_id(),
    record_action.action,
    record_action.object,
    record_action.object_id,
    record_action.detail
);

REVOKE ALL ON FUNCTION
core.append_audit(uuid, uuid, text, text, uuid, jsonb),
core.record_action(text, text, uuid, jsonb)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION core.record_action(text, text, uuid, jsonb) TO fivefold_api, fivefold_worker;

GRANT CREATE ON SCHEMA core TO fivefold_definer;
ALTER FUNCTION core.append_audit(uuid, uuid, text, text, uuid, jsonb) OWNER TO fivefold_definer;
ALTER FUNCTION core.record_action(text, text, uuid, jsonb) OWNER TO fivefold_definer;
REVOKE CREATE ON SCHEMA core FROM fivefold_definer;
SET LOCAL ROLE fivefold_definer;
GRANT EXECUTE ON FUNCTION core.append_audit(uuid, uuid, text, text, uuid, jsonb) TO fivefold_owner;
SET LOCAL ROLE fivefold_owner;
