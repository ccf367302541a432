-- Why:      who comes with proof of another issuer for the first time needs an account, the same one however often it is tried.
-- Change:   core.meet_identity(), core.link_identity(), core.unlink_identity() and core.end_ways_in().
-- Locks:    none on existing tables.
-- Data:     no rows are written.
-- Old code: calls none of them.
-- Rollback: nobody can sign in by another issuer for the first time.
-- depends: 20261122_06_pre_core_create_session 20261122_07_pre_core_create_credential 20261122_09_pre_core_create_email_token

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- Ends every way into an account but the operator's, for whoever has just proven to be its owner: it may have been made by
-- somebody else in the owner's name. Sessions, password, keys, identities and open mails end; what they did is in the audit.
CREATE FUNCTION core.end_ways_in(account_id uuid, reason text) RETURNS void
LANGUAGE sql VOLATILE
SET search_path = ''
BEGIN ATOMIC
    SELECT core.end_sessions_of(end_ways_in.account_id, NULL, NULL, end_ways_in.reason);
    DELETE FROM core.credential AS c WHERE c.account_id = end_ways_in.account_id;
    DELETE FROM core.email_token AS t WHERE t.account_id = end_ways_in.account_id;
    DELETE FROM core.identity AS i WHERE i.account_id = end_ways_in.account_id AND i.issuer <> 'fivefold';
    UPDATE core.api_key AS k SET revoked_at = now() WHERE k.account_id = end_ways_in.account_id AND k.revoked_at IS NULL;
END;

-- The account of a subject of another issuer, made where there is none. ``acceptable``: what is known is enough for an account.
-- ``proven``: the issuer is trusted to know whose the address is; only then an account that has the address is opened, and if
-- nobody had proven that address there, whatever way in somebody has made for themselves ends. Two at once make one account.
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

-- One more way to sign in for the caller, who has shown the other issuer's proof. Doing it again changes nothing; where it is
-- another account's, its unique constraint says so.
CREATE FUNCTION core.link_identity(issuer text, subject text)
RETURNS SETOF core.identity
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = ''
AS $$
DECLARE
    own uuid := core.current_account_id();
BEGIN
    PERFORM FROM core.account AS a WHERE a.id = own FOR NO KEY UPDATE;
    IF NOT FOUND OR (SELECT count(*) FROM core.identity AS i WHERE i.account_id = own) >= 20 THEN
        RETURN;
    END IF;
    IF NOT EXISTS (
        SELECT FROM core.identity AS i
        WHERE i.issuer = link_identity.issuer AND i.subject = link_identity.subject AND i.account_id = own
    ) THEN
        INSERT INTO core.identity (account_id, issuer, subject) VALUES (own, link_identity.issuer, link_identity.subject);
    END IF;
    RETURN QUERY
    SELECT i.* FROM core.identity AS i WHERE i.issuer = link_identity.issuer AND i.subject = link_identity.subject;
END
$$;

-- One way less, unless it is the last. Two at once cannot each leave it to the other: the account is locked.
CREATE FUNCTION core.unlink_identity(identity_id uuid) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = ''
AS $$
DECLARE
    own   uuid := core.current_account_id();
    found core.identity;
BEGIN
    PERFORM FROM core.account AS a WHERE a.id = own FOR UPDATE;
    SELECT i.* INTO found FROM core.identity AS i WHERE i.id = unlink_identity.identity_id AND i.account_id = own;
    IF found.id IS NULL THEN
        RETURN 'UNKNOWN';
    END IF;
    IF found.issuer = 'fivefold' THEN
        RETURN 'OWN';
    END IF;
    IF NOT EXISTS (
        SELECT FROM core.identity AS i WHERE i.account_id = own AND i.issuer <> 'fivefold' AND i.id <> found.id
    ) AND NOT EXISTS (SELECT FROM core.credential AS c WHERE c.account_id = own) THEN
        RETURN 'LAST';
    END IF;
    DELETE FROM core.identity AS i WHERE i.id = found.id;
    RETURN 'UNLINKED';
END
$$;

REVOKE ALL ON FUNCTION
core.unlink_identity(uuid),
core.end_ways_in(uuid, text),
core.meet_identity(text, text, text, text, boolean, boolean),
core.link_identity(text, text)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
core.unlink_identity(uuid),
core.meet_identity(text, text, text, text, boolean, boolean),
core.link_identity(text, text)
TO fivefold_api;
