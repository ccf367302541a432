-- Why:      a consent does not stay open behind a person who left or was erased; and jobs may rely on one as requests do.
-- Change:   a trigger on core.member ends the consents of who goes; core.hold_consent().
-- Locks:    SHARE ROW EXCLUSIVE on core.member for a moment.
-- Data:     consents that somebody who is no member left open end now.
-- Old code: goes on.
-- Rollback: consents of who leaves stay open, and count for nothing.
-- depends: 20261123_41_pre_core_create_consent 20261122_21_pre_core_let_members_go 20261123_45_pre_core_delete_workspace

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE FUNCTION core.end_consent() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ''
AS $$
BEGIN
    UPDATE core.consent AS c
    SET withdrawn_at = greatest(clock_timestamp(), c.given_at)
    FROM gone_rows AS g
    WHERE c.workspace_id = g.workspace_id
        AND c.account_id = g.account_id
        AND c.withdrawn_at IS NULL
        AND c.replaced_at IS NULL;
    RETURN NULL;
END
$$;

CREATE TRIGGER end_consent AFTER DELETE ON core.member REFERENCING OLD TABLE AS gone_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.end_consent();
ALTER TABLE core.member ENABLE ALWAYS TRIGGER end_consent;

UPDATE core.consent AS c
SET withdrawn_at = greatest(clock_timestamp(), c.given_at)
WHERE c.withdrawn_at IS NULL
    AND c.replaced_at IS NULL
    AND NOT EXISTS (SELECT FROM core.member AS m WHERE m.workspace_id = c.workspace_id AND m.account_id = c.account_id);

-- Whether a person's consent holds in the worker's workspace; while the transaction lasts it is not withdrawn.
CREATE FUNCTION core.hold_consent(account_id uuid, purpose text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = ''
AS $$
DECLARE
    found core.consent;
BEGIN
    SELECT c.* INTO found
    FROM core.consent AS c
    WHERE c.workspace_id = core.current_workspace_id()
        AND c.account_id = hold_consent.account_id
        AND c.purpose = hold_consent.purpose
        AND c.withdrawn_at IS NULL
        AND c.replaced_at IS NULL
    FOR SHARE;
    RETURN found.id IS NOT NULL AND core.consent_holds(found);
END
$$;
REVOKE ALL ON FUNCTION core.end_consent(), core.hold_consent(uuid, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION core.hold_consent(uuid, text) TO fivefold_worker;
