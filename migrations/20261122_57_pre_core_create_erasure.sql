-- Why:      who asks to be forgotten is forgotten, at a moment that leaves time to think, and it can be proven and done again.
-- Change:   core.erasure, core.preview_erasure(), core.list_sole_ownership(), core.erase(); erased workspaces keep their id and nothing else.
-- Locks:    ACCESS EXCLUSIVE on core.workspace and SHARE UPDATE EXCLUSIVE while the constraint is validated, for a moment.
-- Data:     no rows of people are written; the new columns are classified.
-- Old code: goes on; nobody is erased until something asks for it.
-- Rollback: fails while there is an erased workspace; drops the ledger of erasures otherwise.
-- depends: 20261122_56_pre_core_find_rows 20261122_21_pre_core_let_members_go

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

ALTER TABLE core.workspace ADD COLUMN erased_at timestamptz;
COMMENT ON COLUMN core.workspace.erased_at IS 'When all that it held was erased; its id stays as a pseudonym.';
-- allow ban-drop-constraint: a wider one takes its place in the same transaction.
ALTER TABLE core.workspace DROP CONSTRAINT workspace_personal_has_account;
ALTER TABLE core.workspace ADD CONSTRAINT workspace_personal_has_account CHECK (
    (kind = 'personal') = (personal_account_id IS NOT NULL) OR erased_at IS NOT NULL
) NOT VALID;
-- allow constraint-missing-not-valid: with the old constraint every row fulfills it; reading them takes seconds.
ALTER TABLE core.workspace VALIDATE CONSTRAINT workspace_personal_has_account;

CREATE TABLE core.erasure (
    id            uuid        NOT NULL DEFAULT uuidv7() CONSTRAINT erasure_pkey PRIMARY KEY,
    account_id    uuid,
    workspace_id  uuid,
    requested_at  timestamptz NOT NULL DEFAULT now(),
    due_at        timestamptz NOT NULL,
    canceled_at   timestamptz,
    erased_at     timestamptz,
    xid           xid8,
    organizations boolean     NOT NULL DEFAULT false,
    counts        jsonb       NOT NULL DEFAULT '{}',
    CONSTRAINT erasure_of_one CHECK (num_nonnulls(account_id, workspace_id) = 1),
    CONSTRAINT erasure_ends_once CHECK (num_nonnulls(canceled_at, erased_at) <= 1)
);

CREATE UNIQUE INDEX erasure_account_open_idx ON core.erasure (account_id) WHERE canceled_at IS NULL AND erased_at IS NULL;
CREATE UNIQUE INDEX erasure_workspace_open_idx ON core.erasure (workspace_id) WHERE canceled_at IS NULL AND erased_at IS NULL;
-- Serves the look for what is due.
CREATE INDEX erasure_due_at_idx ON core.erasure (due_at) WHERE canceled_at IS NULL AND erased_at IS NULL;

COMMENT ON TABLE core.erasure IS 'identity. The ledger of erasures: whom, when, how many rows of which table. Done ones name nobody: the id is a pseudonym.';
COMMENT ON COLUMN core.erasure.account_id IS 'The person. No foreign key: the row outlives the account.';
COMMENT ON COLUMN core.erasure.workspace_id IS 'Or a workspace as a whole.';
COMMENT ON COLUMN core.erasure.xid IS 'The transaction that erases: only in it may details of what still is be forgotten.';
COMMENT ON COLUMN core.erasure.organizations IS 'Organizations whose only owner the person is go too, with what others have there.';

ALTER TABLE core.erasure ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.erasure FORCE ROW LEVEL SECURITY;
CREATE POLICY self ON core.erasure TO fivefold_api
USING (account_id = (SELECT core.current_account_id()));
CREATE POLICY worker_all ON core.erasure FOR SELECT TO fivefold_worker
USING ((SELECT core.current_workspace_id()) = (SELECT core.system_workspace_id()));
CREATE POLICY definer_reads ON core.erasure FOR SELECT TO fivefold_definer
USING (xid = (SELECT pg_current_xact_id()));
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON core.erasure TO fivefold_owner USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON core.erasure TO fivefold_api;
GRANT UPDATE (canceled_at) ON core.erasure TO fivefold_api;
GRANT SELECT ON core.erasure TO fivefold_worker, fivefold_definer;

-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_insert AFTER INSERT ON core.erasure REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'id', 'id,requested_at,due_at,canceled_at,erased_at');
CREATE TRIGGER audit_update AFTER UPDATE ON core.erasure REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'id', 'id,requested_at,due_at,canceled_at,erased_at');
CREATE TRIGGER audit_delete AFTER DELETE ON core.erasure REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'id', 'id,requested_at,due_at,canceled_at,erased_at');
ALTER TABLE core.erasure ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE core.erasure ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE core.erasure ENABLE ALWAYS TRIGGER audit_delete;

INSERT INTO core.data_subject (object, column_name, kind) VALUES
('core.erasure', 'account_id', 'account'),
('core.erasure', 'workspace_id', 'workspace');
INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.workspace', 'erased_at', 'technical', 'account', 'include', 'keep', 'workspace', 'That it was erased, of a workspace of which nothing else is left.'),
('core.erasure', 'id', 'technical', 'audit', 'include', 'keep', 'product', 'The proof of the erasure.'),
('core.erasure', 'account_id', 'identifier', 'audit', 'include', 'keep', 'product', 'A pseudonym with nobody behind it, by which the erasure is done again after an old dump was restored.'),
('core.erasure', 'workspace_id', 'technical', 'audit', 'include', 'keep', 'product', 'As account_id.'),
('core.erasure', 'requested_at', 'technical', 'audit', 'include', 'keep', 'product', 'The proof of the erasure.'),
('core.erasure', 'due_at', 'technical', 'audit', 'include', 'keep', 'product', 'The proof of the erasure.'),
('core.erasure', 'canceled_at', 'technical', 'audit', 'include', 'keep', 'product', 'The proof of the erasure.'),
('core.erasure', 'erased_at', 'technical', 'audit', 'include', 'keep', 'product', 'The proof of the erasure.'),
('core.erasure', 'xid', 'technical', 'audit', 'omit', 'keep', 'product', 'The number of a transaction.'),
('core.erasure', 'organizations', 'technical', 'audit', 'include', 'keep', 'product', 'The proof of the erasure.'),
('core.erasure', 'counts', 'technical', 'audit', 'include', 'keep', 'product', 'How many rows of which table: numbers only.');

-- An organization that is erased keeps nobody.
CREATE OR REPLACE FUNCTION core.keep_owner() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ''
AS $$
BEGIN
    PERFORM FROM core.workspace AS w WHERE w.id = OLD.workspace_id AND w.kind = 'organization' AND w.erased_at IS NULL FOR NO KEY UPDATE;
    IF FOUND AND NOT EXISTS (SELECT FROM core.member AS m WHERE m.workspace_id = OLD.workspace_id AND m.role = 'owner') THEN
        RAISE EXCEPTION 'an organization keeps an owner' USING ERRCODE = 'check_violation', CONSTRAINT = 'member_owner_stays';
    END IF;
    RETURN NULL;
END
$$;

-- The condition by which one column names the person: for rows that stay.
CREATE FUNCTION core.subject_match(object text, column_name text, kind text, subjects jsonb) RETURNS text
LANGUAGE sql STABLE
SET search_path = ''
RETURN coalesce(
    (
        SELECT format('(t.%1$I = ANY ($2) OR t.%1$I = ANY ($3)) AND ', s.column_name)
        FROM jsonb_to_recordset(subjects) AS s (object text, column_name text, kind text)
        WHERE s.object = subject_match.object
            AND s.kind = 'workspace'
            AND subject_match.kind = 'account'
        ORDER BY s.column_name <> 'workspace_id', s.column_name
        LIMIT 1
    ),
    ''
) || format('t.%I = ANY (%s)', column_name, CASE kind WHEN 'account' THEN '$1' WHEN 'workspace' THEN '$2' ELSE '$4' END);

-- What stays in rows that stay, and is overwritten: one row for each column. The rest of an erasure but for the deleting.
CREATE FUNCTION core.list_anonymized() RETURNS TABLE (object text, column_name text, condition text, value text)
LANGUAGE sql STABLE
SET search_path = ''
AS $$
    WITH subject AS MATERIALIZED (
        SELECT l.object, l.column_name, l.kind FROM core.list_subject() AS l
    ),
    known AS MATERIALIZED (
        SELECT jsonb_agg(to_jsonb(l)) AS subjects FROM subject AS l
    )
    SELECT
        i.object,
        i.column_name,
        '(' || string_agg(core.subject_match(i.object, s.column_name, s.kind, k.subjects), ') OR (' ORDER BY s.column_name) || ')',
        CASE
            WHEN NOT a.attnotnull THEN 'NULL'
            WHEN EXISTS (
                SELECT
                FROM pg_catalog.pg_index AS x
                WHERE x.indrelid = a.attrelid
                    AND x.indisunique
                    AND a.attnum = ANY (x.indkey::smallint[])
            ) THEN '''erased '' || t.id'
            ELSE '''erased'''
        END
    FROM core.data_inventory AS i
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.object::regclass AND a.attname = i.column_name
    CROSS JOIN known AS k
    JOIN subject AS s ON s.object = i.object AND s.kind <> 'mention'
    JOIN core.data_inventory AS n ON n.object = s.object AND n.column_name = s.column_name AND n.erase_rule <> 'delete'
    WHERE i.erase_rule = 'anonymize'
        AND (
            s.column_name = i.column_name
            OR NOT EXISTS (
                SELECT FROM subject AS o
                WHERE o.object = i.object
                    AND o.column_name = i.column_name
                    AND o.kind <> 'mention'
            )
        )
    GROUP BY i.object, i.column_name, a.attnotnull, a.attrelid, a.attnum
    ORDER BY i.object, i.column_name
$$;

-- Whom and what an erasure reaches. Wholly: the personal workspace, and organizations that nobody else is in, or that have no
-- other owner where the person said so.
CREATE FUNCTION core.erasure_scope(account_id uuid, workspace_id uuid, organizations boolean)
RETURNS TABLE (accounts uuid[], own uuid[], shared uuid[], emails text[], mentions text[])
LANGUAGE sql STABLE
SET search_path = ''
AS $$
    WITH own AS (
        SELECT w.id
        FROM core.workspace AS w
        WHERE w.personal_account_id = erasure_scope.account_id
        UNION
        SELECT w.id
        FROM core.workspace AS w
        WHERE w.id = erasure_scope.workspace_id
            AND w.kind <> 'system'
        UNION
        SELECT m.workspace_id
        FROM core.member AS m
        WHERE m.account_id = erasure_scope.account_id
            AND m.role = 'owner'
            AND NOT EXISTS (
                SELECT
                FROM core.member AS o
                WHERE o.workspace_id = m.workspace_id
                    AND o.account_id <> m.account_id
                    AND (o.role = 'owner' OR NOT erasure_scope.organizations)
            )
    ),
    found AS (
        SELECT
            array_remove(ARRAY[erasure_scope.account_id], NULL) AS accounts,
            ARRAY(SELECT o.id FROM own AS o ORDER BY o.id) AS own,
            ARRAY(
                SELECT m.workspace_id
                FROM core.member AS m
                WHERE m.account_id = erasure_scope.account_id
                    AND m.workspace_id NOT IN (SELECT o.id FROM own AS o)
                ORDER BY m.workspace_id
            ) || core.system_workspace_id() AS shared,
            ARRAY(SELECT a.email FROM core.account AS a WHERE a.id = erasure_scope.account_id) AS emails
    )
    SELECT
        f.accounts,
        f.own,
        f.shared,
        f.emails,
        ARRAY(SELECT '%' || each || '%' FROM unnest(f.accounts || f.own) AS each)
        || ARRAY(SELECT '%' || regexp_replace(each, '([\\%_])', '\\\1', 'g') || '%' FROM unnest(f.emails) AS each)
    FROM found AS f
$$;

-- Organizations that nobody but the caller owns: they need another owner, or go too. With how many others are in them.
CREATE FUNCTION core.list_sole_ownership() RETURNS TABLE (workspace_id uuid, name text, others bigint)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    SELECT w.id, w.name, (
        SELECT count(*)
        FROM core.member AS o
        WHERE o.workspace_id = w.id
            AND o.account_id <> m.account_id
    )
    FROM core.member AS m
    JOIN core.workspace AS w ON w.id = m.workspace_id
    WHERE m.account_id = core.current_account_id()
        AND m.role = 'owner'
        AND w.kind = 'organization'
        AND NOT EXISTS (
            SELECT
            FROM core.member AS o
            WHERE o.workspace_id = m.workspace_id
                AND o.account_id <> m.account_id
                AND o.role = 'owner'
        )
    ORDER BY w.id;
END;

-- What would become of the caller's rows: one row for each table and rule, without changing anything.
CREATE FUNCTION core.preview_erasure(organizations boolean)
RETURNS TABLE (object text, rule text, amount bigint, reason text)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = ''
AS $$
DECLARE
    s        record;
    step     record;
    subjects jsonb := (SELECT jsonb_agg(to_jsonb(l)) FROM core.list_subject() AS l);
BEGIN
    SELECT * INTO s FROM core.erasure_scope(core.current_account_id(), NULL, preview_erasure.organizations);
    FOR step IN SELECT e.object, e.condition FROM core.list_erasure_step() AS e ORDER BY e.object LOOP
        EXECUTE format('SELECT count(*) FROM %s AS t WHERE %s', step.object, step.condition)
        INTO amount USING s.accounts, s.own, s.shared, s.emails, s.mentions;
        object := step.object;
        rule := 'delete';
        IF amount > 0 THEN
            RETURN NEXT;
        END IF;
    END LOOP;
    SELECT 'core.audit_detail', count(*) INTO object, amount
    FROM core.audit_detail AS d
    WHERE d.workspace_id = ANY (s.own);
    IF amount > 0 THEN
        RETURN NEXT;
    END IF;
    FOR step IN
        SELECT l.object, 'anonymize' AS rule, '(' || string_agg(l.condition, ') OR (') || ')' AS condition, NULL AS reason
        FROM core.list_anonymized() AS l
        GROUP BY l.object
        UNION ALL
        SELECT
            i.object, 'keep', '(' || string_agg(core.subject_match(i.object, i.column_name, l.kind, subjects), ') OR (') || ')', min(i.reason)
        FROM core.data_inventory AS i
        JOIN jsonb_to_recordset(subjects) AS l (object text, column_name text, kind text)
            ON l.object = i.object
            AND l.column_name = i.column_name
            AND l.kind <> 'mention'
        WHERE i.erase_rule = 'keep'
        GROUP BY i.object
        ORDER BY 1, 2
    LOOP
        EXECUTE format('SELECT count(*) FROM %s AS t WHERE %s', step.object, step.condition)
        INTO amount USING s.accounts, s.own, s.shared, s.emails, s.mentions;
        object := step.object;
        rule := step.rule;
        reason := step.reason;
        IF amount > 0 THEN
            RETURN NEXT;
        END IF;
    END LOOP;
END
$$;

-- The details of all that tells of the person: of the workspaces that are erased; elsewhere of what this transaction deleted or
-- overwrote, and of whatever mentions them. The events stay and verify.
CREATE FUNCTION core.forget_person(own uuid[], shared uuid[], mentions text[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ''
AS $$
DECLARE
    before    text   := current_setting('fivefold.workspace_id', true);
    forgotten bigint := 0;
    touched   bigint;
    place     uuid;
BEGIN
    IF NOT EXISTS (SELECT FROM core.erasure AS e WHERE e.xid = pg_current_xact_id()) THEN
        RAISE EXCEPTION 'details are forgotten by an erasure alone' USING ERRCODE = 'insufficient_privilege';
    END IF;
    FOR place IN SELECT each FROM unnest(own || shared) AS each LOOP
        PERFORM set_config('fivefold.workspace_id', place::text, true);
        IF place = ANY (own) THEN
            DELETE FROM core.audit_detail AS d
            WHERE d.workspace_id = place;
        ELSE
            DELETE FROM core.audit_detail AS d
            USING core.audit_event AS e
            WHERE e.workspace_id = place
                AND e.object_id IN (
                    SELECT x.object_id
                    FROM core.audit_event AS x
                    WHERE x.workspace_id = place
                        AND x.id >= core.uuidv7_floor(now() - interval '1 minute')
                        AND x.xid = pg_current_xact_id()
                        AND x.action = 'DELETE'
                )
                AND d.workspace_id = e.workspace_id
                AND d.event_id = e.id;
            GET DIAGNOSTICS touched = ROW_COUNT;
            forgotten := forgotten + touched;
            DELETE FROM core.audit_detail AS d
            USING core.audit_event AS e
            WHERE e.workspace_id = place
                AND e.id >= core.uuidv7_floor(now() - interval '1 minute')
                AND e.xid = pg_current_xact_id()
                AND d.workspace_id = e.workspace_id
                AND d.event_id = e.id;
            GET DIAGNOSTICS touched = ROW_COUNT;
            forgotten := forgotten + touched;
            DELETE FROM core.audit_detail AS d
            WHERE d.workspace_id = place
                AND d.detail::text LIKE ANY (mentions);
        END IF;
        GET DIAGNOSTICS touched = ROW_COUNT;
        forgotten := forgotten + touched;
    END LOOP;
    PERFORM set_config('fivefold.workspace_id', coalesce(before, ''), true);
    RETURN forgotten;
END
$$;

-- The guard of the audit lets nobody replace this function by mistake; here it is meant: an erasure forgets what tells of things
-- that stay, such as of an organization, and a row of the ledger proves that it is one.
SET LOCAL fivefold.audit_ddl = 'allowed';
CREATE OR REPLACE FUNCTION core.refuse_living() RETURNS trigger
LANGUAGE plpgsql
SET search_path = ''
AS $$
BEGIN
    IF EXISTS (SELECT FROM core.erasure AS e WHERE e.xid = pg_current_xact_id()) THEN
        RETURN NULL;
    END IF;
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

SET LOCAL fivefold.audit_ddl = '';

-- Erases what the ledger says is due, whole, in the caller's transaction; false when it is not due, canceled or done. What can
-- be found by the inventory afterwards is nothing, or it fails.
CREATE FUNCTION core.erase(erasure_id uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ''
AS $$
DECLARE
    asked    core.erasure;
    s        record;
    step     record;
    refer    record;
    told     jsonb := '{}';
    touched  bigint;
    subjects jsonb := (SELECT jsonb_agg(to_jsonb(l)) FROM core.list_subject() AS l);
BEGIN
    SELECT * INTO asked
    FROM core.erasure AS e
    WHERE e.id = erase.erasure_id
        AND e.canceled_at IS NULL
        AND e.erased_at IS NULL
        AND e.due_at <= now()
    FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE core.erasure AS e
    SET xid = pg_current_xact_id()
    WHERE e.id = asked.id;
    PERFORM set_config('fivefold.account_id', '', true);

    SELECT * INTO s FROM core.erasure_scope(asked.account_id, asked.workspace_id, asked.organizations);
    -- Nobody adds to what goes: a foreign key to these rows waits, and finds no member afterwards.
    PERFORM FROM core.workspace AS w WHERE w.id = ANY (s.own) ORDER BY w.id FOR UPDATE;
    PERFORM FROM core.member AS m WHERE m.account_id = ANY (s.accounts) ORDER BY m.workspace_id FOR UPDATE;
    -- An organization is never without an owner: who was there longest, an admin first.
    UPDATE core.member AS h
    SET role = 'owner'
    FROM core.member AS m
    CROSS JOIN LATERAL (
        SELECT o.workspace_id, o.account_id
        FROM core.member AS o
        WHERE o.workspace_id = m.workspace_id
            AND o.account_id <> m.account_id
        ORDER BY o.role <> 'admin', o.joined_at, o.account_id
        LIMIT 1
    ) AS heir
    WHERE m.account_id = ANY (s.accounts)
        AND m.workspace_id = ANY (s.shared)
        AND m.role = 'owner'
        AND NOT EXISTS (
            SELECT
            FROM core.member AS o
            WHERE o.workspace_id = m.workspace_id
                AND o.account_id <> m.account_id
                AND o.role = 'owner'
        )
        AND h.workspace_id = heir.workspace_id
        AND h.account_id = heir.account_id;
    UPDATE core.workspace AS w
    SET erased_at = now()
    WHERE w.id = ANY (s.own);

    FOR step IN SELECT * FROM core.list_anonymized() LOOP
        EXECUTE format(
            'UPDATE %s AS t SET %I = %s WHERE (%s) AND t.%I IS DISTINCT FROM %s',
            step.object, step.column_name, step.value, step.condition, step.column_name, step.value
        ) USING s.accounts, s.own, s.shared, s.emails, s.mentions;
        GET DIAGNOSTICS touched = ROW_COUNT;
        IF touched > 0 THEN
            told := told || jsonb_build_object(step.object || '.' || step.column_name, touched);
        END IF;
    END LOOP;
    FOR step IN SELECT * FROM core.list_erasure_step() AS e ORDER BY e.place LOOP
        FOR refer IN
            SELECT
                c.conrelid::regclass::text AS child,
                string_agg(format('r.%I', a.attname), ', ' ORDER BY k.place) AS child_columns,
                string_agg(format('t.%I', p.attname), ', ' ORDER BY k.place) AS parent_columns,
                string_agg(format('%I = NULL', a.attname), ', ' ORDER BY k.place) FILTER (WHERE NOT a.attnotnull) AS cleared,
                (
                    SELECT format('(r.%1$I = ANY ($2) OR r.%1$I = ANY ($3)) AND ', min(l.column_name))
                    FROM jsonb_to_recordset(subjects) AS l (object text, column_name text, kind text)
                    WHERE l.object = c.conrelid::regclass::text
                        AND l.kind = 'workspace'
                    HAVING count(*) > 0
                ) AS guard
            FROM pg_catalog.pg_constraint AS c
            CROSS JOIN unnest(c.conkey, c.confkey) WITH ORDINALITY AS k (child, parent, place)
            JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = k.child
            JOIN pg_catalog.pg_attribute AS p ON p.attrelid = c.confrelid AND p.attnum = k.parent
            WHERE c.contype = 'f'
                AND c.conparentid = 0
                AND c.confrelid = step.object::regclass
            GROUP BY c.oid, c.conrelid
            HAVING NOT bool_and(a.attnotnull)
        LOOP
            EXECUTE format(
                'UPDATE %s AS r SET %s WHERE %s(%s) IN (SELECT %s FROM %s AS t WHERE %s)',
                refer.child, refer.cleared, coalesce(refer.guard, ''), refer.child_columns, refer.parent_columns, step.object,
                step.condition
            ) USING s.accounts, s.own, s.shared, s.emails, s.mentions;
        END LOOP;
        EXECUTE format('DELETE FROM %s AS t WHERE %s', step.object, step.condition)
        USING s.accounts, s.own, s.shared, s.emails, s.mentions;
        GET DIAGNOSTICS touched = ROW_COUNT;
        IF touched > 0 THEN
            told := told || jsonb_build_object(step.object, touched);
        END IF;
    END LOOP;
    told := told || jsonb_build_object('core.audit_detail', core.forget_person(s.own, s.shared, s.mentions));

    -- The proof: what was to go is asked for once more.
    FOR step IN
        SELECT e.object, e.condition FROM core.list_erasure_step() AS e
        UNION ALL
        SELECT l.object, format('(%s) AND t.%I IS DISTINCT FROM %s', l.condition, l.column_name, l.value)
        FROM core.list_anonymized() AS l
    LOOP
        EXECUTE format('SELECT count(*) FROM %s AS t WHERE %s', step.object, step.condition)
        INTO touched USING s.accounts, s.own, s.shared, s.emails, s.mentions;
        IF touched > 0 THEN
            RAISE EXCEPTION '% rows of % are left', touched, step.object;
        END IF;
    END LOOP;

    UPDATE core.erasure AS e
    SET erased_at = clock_timestamp(), counts = told
    WHERE e.id = asked.id;
    PERFORM core.append_audit(core.system_workspace_id(), NULL, 'ERASE', 'core.erasure', asked.id, told);
    RETURN true;
END
$$;

REVOKE ALL ON FUNCTION
core.subject_match(text, text, text, jsonb),
core.list_anonymized(),
core.erasure_scope(uuid, uuid, boolean),
core.list_sole_ownership(),
core.preview_erasure(boolean),
core.forget_person(uuid[], uuid[], text[]),
core.erase(uuid)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION core.list_sole_ownership(), core.preview_erasure(boolean) TO fivefold_api;
GRANT EXECUTE ON FUNCTION core.erase(uuid) TO fivefold_worker;

-- A function changes hands only to a role that may create in its schema.
GRANT CREATE ON SCHEMA core TO fivefold_definer;
ALTER FUNCTION core.forget_person(uuid[], uuid[], text[]) OWNER TO fivefold_definer;
REVOKE CREATE ON SCHEMA core FROM fivefold_definer;
SET LOCAL ROLE fivefold_definer;
GRANT EXECUTE ON FUNCTION core.forget_person(uuid[], uuid[], text[]) TO fivefold_owner;
SET LOCAL ROLE fivefold_owner;
