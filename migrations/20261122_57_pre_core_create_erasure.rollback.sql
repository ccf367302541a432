SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

SET LOCAL fivefold.audit_ddl = 'allowed';

SET LOCAL ROLE fivefold_definer;
DROP FUNCTION core.forget_person(uuid[], uuid[], text[]);
SET LOCAL ROLE fivefold_owner;
CREATE OR REPLACE FUNCTION core.refuse_living() RETURNS trigger
LANGUAGE plpgsql
SET search_path = ''
AS $$
BEGIN
    IF EXISTS (
        WITH touched AS (
            SELECT DISTINCT e.workspace_id, e.object_id
            FROM old_rows AS o
            JOIN core.audit_event AS e ON e.workspace_id = o.workspace_id AND e.id = o.event_id
        ),
        told AS (
            SELECT e.object_id, bool_or(e.action = 'INSERT') AS made, bool_or(e.action = 'DELETE') AS gone
            FROM touched AS t
            JOIN core.audit_event AS e ON e.workspace_id = t.workspace_id AND e.object_id = t.object_id
            GROUP BY e.object_id, e.object
        )
        SELECT
        FROM told AS t
        GROUP BY t.object_id
        HAVING bool_or(t.made AND NOT t.gone) OR NOT bool_or(t.gone)
    ) THEN
        RAISE EXCEPTION 'a detail of an object that is still there is not forgotten' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NULL;
END
$$;
CREATE OR REPLACE FUNCTION core.keep_owner() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ''
AS $$
BEGIN
    PERFORM FROM core.workspace AS w WHERE w.id = OLD.workspace_id AND w.kind = 'organization' FOR NO KEY UPDATE;
    IF FOUND AND NOT EXISTS (SELECT FROM core.member AS m WHERE m.workspace_id = OLD.workspace_id AND m.role = 'owner') THEN
        RAISE EXCEPTION 'an organization keeps an owner' USING ERRCODE = 'check_violation', CONSTRAINT = 'member_owner_stays';
    END IF;
    RETURN NULL;
END
$$;
DROP FUNCTION core.erase(uuid);
DROP FUNCTION core.preview_erasure(boolean);
DROP FUNCTION core.list_sole_ownership();
DROP FUNCTION core.erasure_scope(uuid, uuid, boolean);
DROP FUNCTION core.list_anonymized();
DROP FUNCTION core.subject_match(text, text, text, jsonb);
DROP TABLE core.erasure;
DELETE FROM core.data_subject AS s
WHERE s.object = 'core.erasure';
DELETE FROM core.data_inventory AS i
WHERE i.object = 'core.erasure'
    OR (i.object = 'core.workspace' AND i.column_name = 'erased_at');
-- allow ban-drop-constraint: the narrower one takes its place in the same transaction.
ALTER TABLE core.workspace DROP CONSTRAINT workspace_personal_has_account;
ALTER TABLE core.workspace ADD CONSTRAINT workspace_personal_has_account CHECK (
    (kind = 'personal') = (personal_account_id IS NOT NULL)
) NOT VALID;
-- allow constraint-missing-not-valid: rows are checked here, so that an erased workspace stops the rollback.
ALTER TABLE core.workspace VALIDATE CONSTRAINT workspace_personal_has_account;
-- allow ban-drop-column: it is the column of what is rolled back.
ALTER TABLE core.workspace DROP COLUMN erased_at;
