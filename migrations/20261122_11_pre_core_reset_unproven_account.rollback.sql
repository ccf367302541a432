SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE OR REPLACE FUNCTION core.reset_password(token_hash bytea, password_hash text) RETURNS TABLE (account_id uuid, notice_id uuid)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = ''
AS $$
DECLARE
    used   core.email_token;
    notice uuid;
BEGIN
    DELETE FROM core.email_token AS t
    WHERE t.token_hash = reset_password.token_hash
        AND t.kind = 'PASSWORD_RESET'
        AND t.expires_at > clock_timestamp()
    RETURNING t.* INTO used;
    UPDATE core.account AS a
    SET email_verified_at = coalesce(a.email_verified_at, now())
    WHERE a.id = used.account_id
        AND a.email = used.email;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM core.set_password_of(used.account_id, reset_password.password_hash);
    PERFORM core.end_sessions_of(used.account_id, NULL, NULL, 'PASSWORD_RESET');
    DELETE FROM core.email_token AS t WHERE t.account_id = used.account_id;
    INSERT INTO core.email_token AS t (account_id, kind, email) VALUES (used.account_id, 'PASSWORD_CHANGED', used.email)
    RETURNING t.id INTO notice;
    RETURN QUERY SELECT used.account_id, notice;
END
$$;
