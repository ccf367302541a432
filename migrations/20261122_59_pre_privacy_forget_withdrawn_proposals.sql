-- Why:      the settings of a template that was only ever proposed are a person's words, and go with the last proposal of it.
-- Change:   a trigger on privacy.proposal; settings that nobody else was shown may be deleted with the last proposal.
-- Locks:    SHARE ROW EXCLUSIVE on privacy.proposal and ACCESS EXCLUSIVE on privacy.template_setting, for a moment.
-- Data:     no rows are written.
-- Old code: goes on; it deletes no proposals.
-- Rollback: words of proposals stay when their people are erased.
-- depends: 20261122_58_pre_core_tell_of_exports

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- Settings never change, and go only with a template that nobody proposes any more and nobody else ever saw.
CREATE FUNCTION privacy.refuse_shared() RETURNS trigger
LANGUAGE plpgsql
SET search_path = ''
AS $$
BEGIN
    IF NOT EXISTS (
        SELECT
        FROM privacy.template AS t
        WHERE t.id = old.template_id
            AND t.shared_at IS NULL
            AND NOT EXISTS (SELECT FROM privacy.proposal AS p WHERE p.template_id = t.id)
    ) THEN
        RAISE EXCEPTION 'privacy.template_setting is append-only' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN old;
END
$$;

CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE ON privacy.template_setting
FOR EACH ROW EXECUTE FUNCTION core.refuse_change();
ALTER TABLE privacy.template_setting ENABLE ALWAYS TRIGGER append_only;
CREATE TRIGGER append_only_delete BEFORE DELETE ON privacy.template_setting
FOR EACH ROW EXECUTE FUNCTION privacy.refuse_shared();
ALTER TABLE privacy.template_setting ENABLE ALWAYS TRIGGER append_only_delete;

-- The row of the template stays, for scans of it may go later in the same transaction; its hash becomes one of nothing, so that
-- the same structure, proposed again, is a new template.
CREATE FUNCTION privacy.forget_withdrawn() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ''
AS $$
DECLARE
    withdrawn uuid[];
BEGIN
    SELECT array_agg(t.id) INTO withdrawn
    FROM privacy.template AS t
    WHERE t.id IN (SELECT o.template_id FROM old_rows AS o)
        AND t.shared_at IS NULL
        AND t.state = 'PROPOSED'
        AND NOT EXISTS (SELECT FROM privacy.proposal AS p WHERE p.template_id = t.id);
    IF withdrawn IS NULL THEN
        RETURN NULL;
    END IF;
    DELETE FROM privacy.setting_label AS l
    WHERE l.template_id = ANY (withdrawn);
    DELETE FROM privacy.setting_advice AS a
    WHERE a.template_id = ANY (withdrawn);
    DELETE FROM privacy.template_copy AS c
    WHERE c.template_id = ANY (withdrawn);
    DELETE FROM privacy.template_analysis AS a
    WHERE a.template_id = ANY (withdrawn);
    DELETE FROM privacy.template_setting AS s
    WHERE s.template_id = ANY (withdrawn);
    UPDATE privacy.template AS t
    SET structure_hash = sha256(uuid_send(gen_random_uuid())),
        summary = 'Withdrawn.'
    WHERE t.id = ANY (withdrawn);
    RETURN NULL;
END
$$;

REVOKE ALL ON FUNCTION privacy.forget_withdrawn() FROM PUBLIC;
CREATE TRIGGER forget_withdrawn AFTER DELETE ON privacy.proposal REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION privacy.forget_withdrawn();
ALTER TABLE privacy.proposal ENABLE ALWAYS TRIGGER forget_withdrawn;
