-- Why:      a token or a key is looked up before an identity exists, when every policy hides every row.
-- Change:   core.authenticate_identity() and core.authenticate_api_key().
-- Locks:    none on existing tables.
-- Data:     no rows are written.
-- Old code: nothing reads it yet.
-- Rollback: nobody can sign in until it is applied again.
-- depends: 20261120_06_pre_core_create_identity 20261120_07_pre_core_create_api_key 20261120_08_pre_core_create_curator

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- The account behind a token, in the asked workspace or else the personal one; no row for a stranger.
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

-- The key behind a hash, while it is neither revoked nor expired. Notes its use, at most once a minute, so that a
-- busy key does not write a row for every request; a row locked by another request is left to that request.
CREATE FUNCTION core.authenticate_api_key(secret_hash bytea)
RETURNS TABLE (api_key_id uuid, account_id uuid, member_workspace_id uuid, role text, scopes text[])
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    UPDATE core.api_key AS k
    SET last_used_at = clock_timestamp()
    FROM (
        SELECT s.workspace_id, s.id
        FROM core.api_key AS s
        WHERE s.secret_hash = authenticate_api_key.secret_hash
            AND s.revoked_at IS NULL
            AND (s.expires_at IS NULL OR s.expires_at > clock_timestamp())
            AND (s.last_used_at IS NULL OR s.last_used_at < clock_timestamp() - interval '1 minute')
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS stale
    WHERE k.workspace_id = stale.workspace_id
        AND k.id = stale.id;

    SELECT k.id, k.account_id, k.workspace_id, m.role, k.scopes
    FROM core.api_key AS k
    JOIN core.member AS m ON m.workspace_id = k.workspace_id AND m.account_id = k.account_id
    WHERE k.secret_hash = authenticate_api_key.secret_hash
        AND k.revoked_at IS NULL
        AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp());
END;

REVOKE ALL ON FUNCTION core.authenticate_identity(text, text, uuid), core.authenticate_api_key(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION core.authenticate_identity(text, text, uuid), core.authenticate_api_key(bytea) TO fivefold_api;
