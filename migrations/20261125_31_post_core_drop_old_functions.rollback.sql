SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE FUNCTION core.meet_identity(issuer text, subject text, email text, display_name text, acceptable boolean, proven boolean)
RETURNS TABLE (outcome text, met_id uuid)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = ''
AS $$
DECLARE
    found core.account;
BEGIN
    FOR attempt IN 1..5 LOOP
        outcome := 'KNOWN';
        SELECT i.account_id INTO met_id
        FROM core.identity AS i
        WHERE i.issuer = meet_identity.issuer
            AND i.subject = meet_identity.subject;
        IF met_id IS NOT NULL THEN
            RETURN NEXT;
            RETURN;
        END IF;
        IF meet_identity.email IS NULL OR NOT meet_identity.acceptable THEN
            outcome := CASE WHEN meet_identity.email IS NULL THEN 'NO_ADDRESS' ELSE 'NOT_VERIFIED' END;
            RETURN NEXT;
            RETURN;
        END IF;
        BEGIN
            SELECT a.* INTO found FROM core.account AS a WHERE a.email = lower(meet_identity.email) FOR NO KEY UPDATE;
            IF found.id IS NULL THEN
                outcome := 'CREATED';
                SELECT c.id INTO met_id
                FROM core.create_account(
                    meet_identity.email, meet_identity.display_name, 'en', 'UTC', meet_identity.issuer, meet_identity.subject,
                    meet_identity.proven
                ) AS c;
            ELSIF NOT meet_identity.proven THEN
                outcome := 'ADDRESS_TAKEN';
                RETURN NEXT;
                RETURN;
            ELSE
                outcome := 'LINKED';
                met_id  := found.id;
                IF found.email_verified_at IS NULL THEN
                    outcome := 'TAKEN_OVER';
                    PERFORM core.end_ways_in(found.id, 'TAKEN_OVER');
                    UPDATE core.account AS a SET email_verified_at = now() WHERE a.id = found.id;
                END IF;
                INSERT INTO core.identity (account_id, issuer, subject)
                VALUES (found.id, meet_identity.issuer, meet_identity.subject);
            END IF;
            PERFORM core.append_audit(
                w.id, met_id, 'SIGN_IN', 'core.account', met_id,
                jsonb_build_object('issuer', meet_identity.issuer, 'subject', meet_identity.subject, 'outcome', outcome)
            )
            FROM core.workspace AS w
            WHERE w.personal_account_id = met_id;
            RETURN NEXT;
            RETURN;
        EXCEPTION WHEN unique_violation THEN
            NULL; -- Somebody was a moment faster: look again.
        END;
    END LOOP;
    RAISE EXCEPTION 'this identity is being met elsewhere' USING ERRCODE = 'serialization_failure';
END
$$;

CREATE FUNCTION core.refresh_session(family_hash bytea, turn_hash bytea, next_turn_hash bytea, client text, address text, idle interval)
RETURNS TABLE (outcome text, session_id uuid, account_id uuid, idle_until timestamptz, expires_at timestamptz)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = ''
AS $$
DECLARE
    found core.session;
BEGIN
    SELECT s.* INTO found FROM core.session AS s WHERE s.family_hash = refresh_session.family_hash FOR NO KEY UPDATE;
    IF found.id IS NULL THEN
        RETURN;
    END IF;
    IF found.ended_at IS NOT NULL OR found.idle_until <= clock_timestamp() THEN
        RETURN QUERY SELECT 'ENDED', found.id, found.account_id, found.idle_until, found.expires_at;
    ELSIF found.turn_hash <> refresh_session.turn_hash THEN
        UPDATE core.session AS s SET ended_at = clock_timestamp() WHERE s.id = found.id;
        PERFORM core.append_audit(
            w.id, NULL, 'TOKEN_REUSED', 'core.account', found.account_id,
            jsonb_build_object('session_id', found.id, 'client', refresh_session.client, 'address', refresh_session.address)
        )
        FROM core.workspace AS w
        WHERE w.personal_account_id = found.account_id;
        RETURN QUERY SELECT 'REUSED', found.id, found.account_id, found.idle_until, found.expires_at;
    ELSE
        RETURN QUERY
        UPDATE core.session AS s
        SET turn_hash = refresh_session.next_turn_hash,
            refreshed_at = clock_timestamp(),
            idle_until = least(clock_timestamp() + refresh_session.idle, s.expires_at)
        WHERE s.id = found.id
        RETURNING 'REFRESHED', s.id, s.account_id, s.idle_until, s.expires_at;
    END IF;
END
$$;

CREATE FUNCTION core.get_export_chunk(used_hash bytea, number bigint) RETURNS TABLE (content bytea)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    SELECT c.content
    FROM core.data_export AS e
    JOIN core.data_export_chunk AS c ON c.workspace_id = e.workspace_id AND c.export_id = e.id
    WHERE e.used_hash = get_export_chunk.used_hash
        AND e.used_at > now() - interval '1 hour'
        AND c.number = get_export_chunk.number;
END;

REVOKE ALL ON FUNCTION
core.get_export_chunk(bytea, bigint),
core.refresh_session(bytea, bytea, bytea, text, text, interval),
core.meet_identity(text, text, text, text, boolean, boolean)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
core.get_export_chunk(bytea, bigint),
core.refresh_session(bytea, bytea, bytea, text, text, interval),
core.meet_identity(text, text, text, text, boolean, boolean)
TO fivefold_api;
