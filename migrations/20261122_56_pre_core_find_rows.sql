-- Why:      a person's rows are found by what the inventory and the foreign keys say, so that no list in code can forget a table.
-- Change:   core.person_condition() and core.list_erasure_step().
-- Locks:    none on existing tables.
-- Data:     no rows are written.
-- Old code: nothing calls them yet.
-- Rollback: drops both.
-- depends: 20261122_55_pre_core_classify_columns

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- The condition by which rows of a table, named t, are somebody's; NULL where none are. Its parameters: $1 accounts, $2
-- workspaces that are wholly theirs, $3 workspaces in which they are one of several, $4 addresses, $5 patterns of mentions.
-- subjects are the rows of core.list_subject(), asked for once. Erasing, it finds what is deleted; otherwise what an export holds: rows that only name the person, too.
CREATE FUNCTION core.person_condition(object text, erasing boolean, subjects jsonb) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = ''
AS $$
DECLARE
    terms   text[] := '{}';
    tenant  text;
    guard   text;
    parent  text;
    subject record;
    step    record;
    single  boolean := false;
BEGIN
    SELECT s.column_name INTO tenant
    FROM jsonb_to_recordset(subjects) AS s (object text, column_name text, kind text)
    WHERE s.object = person_condition.object
        AND s.kind = 'workspace'
    ORDER BY s.column_name <> 'workspace_id', s.column_name
    LIMIT 1;
    guard := CASE WHEN tenant IS NULL THEN '' ELSE format('(t.%1$I = ANY ($2) OR t.%1$I = ANY ($3)) AND ', tenant) END;

    FOR subject IN
        SELECT s.column_name, s.kind, i.erase_rule, a.atttypid = 'bytea'::regtype AS bytes
        FROM jsonb_to_recordset(subjects) AS s (object text, column_name text, kind text)
        JOIN core.data_inventory AS i ON i.object = s.object AND i.column_name = s.column_name
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = s.object::regclass AND a.attname = s.column_name
        WHERE s.object = person_condition.object
            AND CASE WHEN erasing THEN i.erase_rule = 'delete' ELSE i.export_rule = 'include' AND s.kind <> 'mention' END
        ORDER BY s.column_name
    LOOP
        single := single OR (subject.kind = 'account' AND subject.erase_rule = 'delete');
        terms := terms || CASE subject.kind
            WHEN 'workspace' THEN format('t.%I = ANY ($2)', subject.column_name)
            WHEN 'account' THEN guard || format('t.%I = ANY ($1)', subject.column_name)
            WHEN 'email' THEN format('t.%I = ANY ($4)', subject.column_name)
            ELSE guard || format(
                CASE WHEN subject.bytes THEN 'encode(t.%I, ''escape'') LIKE ANY ($5)' ELSE 't.%I::text LIKE ANY ($5)' END,
                subject.column_name
            )
        END;
    END LOOP;

    -- Rows that cannot be without a row that goes, go with it. An export leaves out those that name somebody themselves.
    FOR step IN
        SELECT
            c.confrelid::regclass::text AS parent,
            string_agg(format('t.%I', child.attname), ', ' ORDER BY k.place) AS child_columns,
            string_agg(format('t.%I', refer.attname), ', ' ORDER BY k.place) AS parent_columns
        FROM pg_catalog.pg_constraint AS c
        CROSS JOIN unnest(c.conkey, c.confkey) WITH ORDINALITY AS k (child, parent, place)
        JOIN pg_catalog.pg_attribute AS child ON child.attrelid = c.conrelid AND child.attnum = k.child
        JOIN pg_catalog.pg_attribute AS refer ON refer.attrelid = c.confrelid AND refer.attnum = k.parent
        LEFT JOIN jsonb_to_recordset(subjects) AS s (object text, column_name text, kind text)
            ON s.object = person_condition.object
            AND s.column_name = child.attname
            AND s.kind IN ('account', 'workspace')
        WHERE c.contype = 'f'
            AND c.conrelid = person_condition.object::regclass
            AND c.confrelid <> c.conrelid
            AND (erasing OR NOT single)
        GROUP BY c.oid
        HAVING bool_and(child.attnotnull) AND NOT bool_and(s.object IS NOT NULL)
        ORDER BY c.conname
    LOOP
        parent := core.person_condition(step.parent, true, subjects);
        IF parent IS NOT NULL THEN
            terms := terms || (guard || format(
                '(%s) IN (SELECT %s FROM %s AS t WHERE %s)', step.child_columns, step.parent_columns, step.parent, parent
            ));
        END IF;
    END LOOP;
    RETURN CASE WHEN cardinality(terms) > 0 THEN '(' || array_to_string(terms, ') OR (') || ')' END;
END
$$;

-- The tables of which an erasure deletes rows, in an order in which foreign keys allow it: what refers to a row goes before it.
-- Where tables refer to each other, a reference that may be NULL does not count: it is taken away first.
CREATE FUNCTION core.list_erasure_step() RETURNS TABLE (place integer, object text, condition text)
LANGUAGE plpgsql STABLE
SET search_path = ''
AS $$
DECLARE
    remaining  regclass[];
    conditions jsonb;
    chosen     regclass;
    subjects   jsonb := (SELECT jsonb_agg(to_jsonb(l)) FROM core.list_subject() AS l);
BEGIN
    SELECT array_agg(f.name::regclass ORDER BY f.name), jsonb_object_agg(f.name, f.condition)
    INTO remaining, conditions
    FROM (
        SELECT i.object AS name, core.person_condition(i.object, true, subjects) AS condition
        FROM (SELECT DISTINCT n.object FROM core.data_inventory AS n) AS i
        WHERE i.object <> 'core.audit_detail'  -- has a door of its own
    ) AS f
    WHERE f.condition IS NOT NULL;
    place := 0;
    WHILE cardinality(remaining) > 0 LOOP
        SELECT r.relation INTO chosen
        FROM unnest(remaining) AS r (relation)
        CROSS JOIN LATERAL (
            SELECT
                count(*) AS referring,
                count(*) FILTER (
                    WHERE NOT EXISTS (
                        SELECT
                        FROM pg_catalog.pg_attribute AS a
                        WHERE a.attrelid = c.conrelid
                            AND a.attnum = ANY (c.conkey)
                            AND NOT a.attnotnull
                    )
                ) AS mandatory
            FROM pg_catalog.pg_constraint AS c
            WHERE c.contype = 'f'
                AND c.confrelid = r.relation
                AND c.conrelid <> r.relation
                AND c.conrelid = ANY (remaining)
        ) AS n
        WHERE n.mandatory = 0
        ORDER BY n.referring, r.relation::text
        LIMIT 1;
        IF chosen IS NULL THEN
            RAISE EXCEPTION 'tables refer to each other and none may be NULL: %', remaining;
        END IF;
        place := place + 1;
        object := chosen::text;
        condition := conditions ->> chosen::text;
        remaining := array_remove(remaining, chosen);
        RETURN NEXT;
    END LOOP;
END
$$;

REVOKE ALL ON FUNCTION core.person_condition(text, boolean, jsonb), core.list_erasure_step() FROM PUBLIC;
