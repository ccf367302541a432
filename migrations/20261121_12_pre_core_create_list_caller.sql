-- Why:      who listens for hours may lose the key or the membership meanwhile.
-- Change:   core.list_caller().
-- Locks:    none on existing tables.
-- Data:     no rows are written.
-- Old code: not affected.
-- Rollback: a revoked key hears on until its connection ends.
-- depends: 20261120_09_pre_core_create_authenticate

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- The callers who may still call, as core.authenticate_* would find them: all that a process serves in one statement.
CREATE FUNCTION core.list_caller(account_ids uuid[], workspace_ids uuid[], api_key_ids uuid[])
RETURNS TABLE (place bigint, role text, curator boolean)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    SELECT a.place, m.role, EXISTS (SELECT FROM core.curator AS c WHERE c.account_id = a.account_id)
    FROM unnest(list_caller.account_ids, list_caller.workspace_ids, list_caller.api_key_ids)
        WITH ORDINALITY AS a (account_id, workspace_id, api_key_id, place)
    JOIN core.member AS m ON m.workspace_id = a.workspace_id AND m.account_id = a.account_id
    WHERE CASE
        WHEN a.api_key_id IS NULL THEN EXISTS (SELECT FROM core.identity AS i WHERE i.account_id = a.account_id)
        ELSE EXISTS (
            SELECT
            FROM core.api_key AS k
            WHERE k.workspace_id = a.workspace_id
                AND k.id = a.api_key_id
                AND k.account_id = a.account_id
                AND k.revoked_at IS NULL
                AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())
        )
    END;
END;

REVOKE ALL ON FUNCTION core.list_caller(uuid[], uuid[], uuid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION core.list_caller(uuid[], uuid[], uuid[]) TO fivefold_api;
