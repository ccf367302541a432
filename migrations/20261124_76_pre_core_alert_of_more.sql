-- Why:      who shares an organization learns that it was deleted, and whose key is used from elsewhere, that it is.
-- Change:   two more kinds of core.security_alert; core.list_other_owner().
-- Locks:    ACCESS EXCLUSIVE on core.security_alert for a moment; its rows of 90 days are not read again.
-- Data:     none.
-- Old code: cannot say what the new alerts mean: roll back before going back.
-- Rollback: deletes alerts of the new kinds.
-- depends: 20261124_75_pre_core_create_api_key_network 20261122_73_pre_core_create_security_alert

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow ban-drop-constraint: a wider one takes its place in the same transaction.
ALTER TABLE core.security_alert DROP CONSTRAINT security_alert_kind_known;
ALTER TABLE core.security_alert ADD CONSTRAINT security_alert_kind_known CHECK (
    kind IN (
        'SIGN_INS_REFUSED', 'NEW_CLIENT', 'TOKEN_REUSED', 'MASS_EXPORT', 'MASS_READ', 'NEW_DEVICE', 'NEW_API_KEY', 'NEW_WEBHOOK',
        'PASSWORD_CHANGED', 'EMAIL_CHANGED', 'OWNER_ADDED', 'WEBHOOK_DISABLED', 'KEY_ELSEWHERE', 'WORKSPACE_DELETED'
    )
) NOT VALID;
-- allow constraint-missing-not-valid: it is wider than the one that all rows satisfy.
ALTER TABLE core.security_alert VALIDATE CONSTRAINT security_alert_kind_known;

-- The owners of a workspace but one, with their personal workspaces: where it is deleted, there they are told.
CREATE FUNCTION core.list_other_owner(workspace_id uuid, account_id uuid)
RETURNS TABLE (owner_id uuid, personal_workspace_id uuid, name text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    SELECT m.account_id, own.id, w.name
    FROM core.workspace AS w
    JOIN core.member AS m ON m.workspace_id = w.id AND m.role = 'owner'
    JOIN core.workspace AS own ON own.personal_account_id = m.account_id
    WHERE w.id = list_other_owner.workspace_id
        AND w.deleted_at IS NOT NULL
        AND m.account_id <> list_other_owner.account_id;
END;

REVOKE ALL ON FUNCTION core.list_other_owner(uuid, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION core.list_other_owner(uuid, uuid) TO fivefold_worker;
