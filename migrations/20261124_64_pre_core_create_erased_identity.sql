-- Why:      the token of another issuer may outlive the account it opened: it must not silently make one that looks like the old.
-- Change:   core.erased_identity; core.meet_identity() asks it, and whether an account is deleted; core.list_leaving_identity() and
--           core.remember_erased_identity() for the job that erases.
-- Locks:    none on existing tables.
-- Data:     rows of the data inventory only; who was erased before is not remembered.
-- Old code: goes on with the function as it was, and makes accounts for whoever comes.
-- Rollback: what is remembered is dropped: an erased person's token makes an account again.
-- depends: 20261124_63_pre_core_delete_account 20261122_15_pre_core_add_meet_identity

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE core.erased_identity (
    digest     bytea       NOT NULL CONSTRAINT erased_identity_pkey PRIMARY KEY
        CONSTRAINT erased_identity_digest_length CHECK (octet_length(digest) = 32),
    erased_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL
);
COMMENT ON TABLE core.erased_identity IS 'identity. That an issuer''s subject was erased, for as long as one of its tokens may come again.';
COMMENT ON COLUMN core.erased_identity.digest IS 'HMAC-SHA256 of issuer and subject with a key of the vault: without that it names nobody.';

ALTER TABLE core.erased_identity ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.erased_identity FORCE ROW LEVEL SECURITY;
-- What has expired is deleted by the worker, which sees nothing younger.
CREATE POLICY worker_old ON core.erased_identity TO fivefold_worker
USING (expires_at < now());
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON core.erased_identity TO fivefold_owner USING (true) WITH CHECK (true);
GRANT SELECT, DELETE ON core.erased_identity TO fivefold_worker;

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.erased_identity', 'digest', 'technical', 'security', 'omit', 'keep', '90 days', 'A keyed hash of an identity that is gone, so that its token makes no account by itself.'),
('core.erased_identity', 'erased_at', 'technical', 'security', 'omit', 'keep', '90 days', 'As digest.'),
('core.erased_identity', 'expires_at', 'technical', 'security', 'omit', 'keep', '90 days', 'As digest.');

-- As before, and three things more. A deleted account is met as such. An identity that was erased is nobody's, until somebody
-- says to begin again with a token that was issued after the erasure; then nothing remembers the old one.
CREATE FUNCTION core.meet_identity(
    issuer text, subject text, email text, display_name text, acceptable boolean, proven boolean,
    digests bytea[], again boolean, issued_at timestamptz
)
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
            IF EXISTS (SELECT FROM core.workspace AS d WHERE d.personal_account_id = met_id AND d.deleted_at IS NOT NULL) THEN
                outcome := 'DELETED';
            END IF;
            RETURN NEXT;
            RETURN;
        END IF;
        IF EXISTS (
            SELECT
            FROM core.erased_identity AS x
            WHERE x.digest = ANY (meet_identity.digests)
                AND x.expires_at > clock_timestamp()
                AND (NOT meet_identity.again OR x.erased_at >= meet_identity.issued_at)
        ) THEN
            outcome := 'ERASED';
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
            ELSIF EXISTS (SELECT FROM core.workspace AS d WHERE d.personal_account_id = found.id AND d.deleted_at IS NOT NULL) THEN
                outcome := 'DELETED';
                met_id  := found.id;
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
            DELETE FROM core.erased_identity AS x WHERE x.digest = ANY (meet_identity.digests);
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

-- Which identities of other issuers go with what is due, for the job that erases it in this transaction. Nobody links another
-- meanwhile: the account's row is held.
CREATE FUNCTION core.list_leaving_identity(erasure_id uuid) RETURNS TABLE (issuer text, subject text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = ''
AS $$
DECLARE
    leaving uuid;
BEGIN
    SELECT e.account_id INTO leaving
    FROM core.erasure AS e
    WHERE e.id = list_leaving_identity.erasure_id
        AND e.canceled_at IS NULL
        AND e.erased_at IS NULL
        AND e.due_at <= now()
    FOR UPDATE;
    PERFORM FROM core.account AS a WHERE a.id = leaving FOR UPDATE;
    RETURN QUERY
    SELECT i.issuer, i.subject FROM core.identity AS i WHERE i.account_id = leaving AND i.issuer <> 'fivefold' ORDER BY i.id;
END
$$;

CREATE FUNCTION core.remember_erased_identity(digests bytea[]) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    INSERT INTO core.erased_identity AS x (digest, expires_at)
    SELECT d.digest, now() + interval '90 days'
    FROM unnest(remember_erased_identity.digests) AS d (digest)
    ON CONFLICT ON CONSTRAINT erased_identity_pkey DO UPDATE
    SET erased_at = excluded.erased_at, expires_at = excluded.expires_at;
END;

REVOKE ALL ON FUNCTION
core.meet_identity(text, text, text, text, boolean, boolean, bytea[], boolean, timestamptz),
core.list_leaving_identity(uuid),
core.remember_erased_identity(bytea[])
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION core.meet_identity(text, text, text, text, boolean, boolean, bytea[], boolean, timestamptz) TO fivefold_api;
GRANT EXECUTE ON FUNCTION core.list_leaving_identity(uuid), core.remember_erased_identity(bytea[]) TO fivefold_worker;
