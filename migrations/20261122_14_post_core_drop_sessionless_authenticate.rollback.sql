SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE FUNCTION core.authenticate_identity(issuer text, subject text, workspace_id uuid)
RETURNS TABLE (account_id uuid, member_workspace_id uuid, role text, curator boolean)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    SELECT i.account_id, m.workspace_id, m.role, EXISTS (SELECT FROM core.curator AS c WHERE c.account_id = i.account_id)
    FROM core.identity AS i
    LEFT JOIN core.workspace AS w ON w.personal_account_id = i.account_id
    LEFT JOIN core.member AS m
        ON m.account_id = i.account_id
        AND m.workspace_id = coalesce(authenticate_identity.workspace_id, w.id)
    WHERE i.issuer = authenticate_identity.issuer
        AND i.subject = authenticate_identity.subject;
END;

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

REVOKE ALL ON FUNCTION core.authenticate_identity(text, text, uuid), core.list_caller(uuid[], uuid[], uuid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION core.authenticate_identity(text, text, uuid), core.list_caller(uuid[], uuid[], uuid[]) TO fivefold_api;
