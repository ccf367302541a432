-- Why:      a caller who was authenticated a moment ago is asked for again with every request, in a round trip of its own.
-- Change:   core.confirm_caller(), which says in the text of BEGIN whether all that was found then still holds.
-- Locks:    none on existing tables.
-- Data:     no rows are written.
-- Old code: goes on: it does not know the function.
-- Rollback: drops the function.
-- depends: 20261124_63_pre_core_delete_account 20261124_76_pre_core_alert_of_more

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- Fails where a token opens another account or workspace than it did, in another role, or nothing any more.
CREATE FUNCTION core.confirm_caller(
    issuer text,
    subject text,
    asked_workspace_id uuid,
    session_id uuid,
    account_id uuid,
    workspace_id uuid,
    role text,
    curator boolean
) RETURNS void
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = ''
AS $$
BEGIN
    PERFORM
    FROM core.authenticate_identity(
        confirm_caller.issuer, confirm_caller.subject, confirm_caller.asked_workspace_id, confirm_caller.session_id
    ) AS i
    WHERE i.account_id = confirm_caller.account_id
        AND i.member_workspace_id = confirm_caller.workspace_id
        AND i.role = confirm_caller.role
        AND i.curator = confirm_caller.curator;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'who asks is not who it was' USING ERRCODE = 'invalid_authorization_specification';
    END IF;
END
$$;

REVOKE ALL ON FUNCTION core.confirm_caller(text, text, uuid, uuid, uuid, uuid, text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION core.confirm_caller(text, text, uuid, uuid, uuid, uuid, text, boolean) TO fivefold_api;
