-- Why:      an account whose address nobody had proven may be a stranger's trap: its ways in must not outlive the owner's proof.
-- Change:   core.reset_password() ends other identities and API keys of such an account.
-- Locks:    none on existing tables.
-- Data:     no rows are written.
-- Old code: goes on.
-- Rollback: they stay.
-- depends: 20261122_10_pre_core_forget_rate_buckets

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- As before. Where the address is proven for the first time, whatever somebody else has made to come in by is gone: not only
-- password and sessions, but identities of other issuers and keys.
CREATE OR REPLACE FUNCTION core.reset_password(token_hash bytea, password_hash text) RETURNS TABLE (account_id uuid, notice_id uuid)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = ''
AS $$
DECLARE
    used   core.email_token;
    owner  core.account;
    notice uuid;
BEGIN
    DELETE FROM core.email_token AS t
    WHERE t.token_hash = reset_password.token_hash
        AND t.kind = 'PASSWORD_RESET'
        AND t.expires_at > clock_timestamp()
    RETURNING t.* INTO used;
    SELECT a.* INTO owner FROM core.account AS a WHERE a.id = used.account_id AND a.email = used.email FOR NO KEY UPDATE;
    IF owner.id IS NULL THEN
        RETURN;
    END IF;
    IF owner.email_verified_at IS NULL THEN
        UPDATE core.account AS a SET email_verified_at = now() WHERE a.id = owner.id;
        DELETE FROM core.identity AS i WHERE i.account_id = owner.id AND i.issuer <> 'fivefold';
        UPDATE core.api_key AS k SET revoked_at = now() WHERE k.account_id = owner.id AND k.revoked_at IS NULL;
    END IF;
    PERFORM core.set_password_of(used.account_id, reset_password.password_hash);
    PERFORM core.end_sessions_of(used.account_id, NULL, NULL, 'PASSWORD_RESET');
    DELETE FROM core.email_token AS t WHERE t.account_id = used.account_id;
    INSERT INTO core.email_token AS t (account_id, kind, email) VALUES (used.account_id, 'PASSWORD_CHANGED', used.email)
    RETURNING t.id INTO notice;
    RETURN QUERY SELECT used.account_id, notice;
END
$$;
