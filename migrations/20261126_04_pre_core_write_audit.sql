-- Why:      what changes most often pays most for its audit: each row is made a document of all its columns, which is taken apart
--           for those that are told; and random bytes for each salt cost as much as the row that they are written with.
-- Change:   core.record_audit() draws random bytes once for all rows of a statement, and writes nothing where there is nothing;
--           core.write_audit() writes the trigger function of one table, which names its columns; those of the books.
-- Locks:    SHARE ROW EXCLUSIVE on core.reservation and core.ledger_transfer for a moment.
-- Data:     none.
-- Old code: goes on: what is told is the same.
-- Rollback: the functions and triggers as they were.
-- depends: 20261126_03_pre_scans_look_up_keys 20261125_01_pre_core_hasten_audit 20261122_30_pre_core_create_ledger

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

GRANT CREATE ON SCHEMA core TO fivefold_definer;
SET LOCAL ROLE fivefold_definer;

-- Statement trigger. Arguments: column of the workspace ('' for a row without one), key columns (the first is the
-- object's id), allow-list of columns. One event per row; none where no listed column changed.
-- The settings are pinned because they change how a row becomes text, and the text is what is hashed.
-- What it tells of a row is what core.audit_columns() and core.audit_difference() make of it; written out, because a call of
-- such a function costs more than its work. Of one seed a salt for each event is made, because random bytes cost most of all:
-- nobody gets from a salt back to the seed, which is kept nowhere, nor to another salt.
CREATE OR REPLACE FUNCTION core.record_audit() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ''
SET timezone = 'UTC'
SET datestyle = 'ISO'
SET intervalstyle = 'postgres'
SET bytea_output = 'hex'
SET extra_float_digits = 1
AS $$
DECLARE
    keys    text[] := string_to_array(TG_ARGV[1], ',');
    columns text[] := string_to_array(TG_ARGV[2], ',');
    sources jsonb[];
    details jsonb[];
    seed    bytea;
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT array_agg(n.source), array_agg(d.detail)
        INTO sources, details
        FROM (SELECT to_jsonb(r) AS source FROM new_rows AS r) AS n
        CROSS JOIN LATERAL (
            SELECT jsonb_object_agg(
                c.name,
                CASE
                    WHEN c.name NOT LIKE 'sha256:%' THEN n.source -> c.name
                    ELSE to_jsonb(encode(sha256((n.source ->> substr(c.name, 8))::bytea), 'hex'))
                END
            ) AS detail
            FROM unnest(columns) AS c (name)
        ) AS d;
    ELSIF TG_OP = 'DELETE' THEN
        SELECT array_agg(o.source), array_agg(d.detail)
        INTO sources, details
        FROM (SELECT to_jsonb(r) AS source FROM old_rows AS r) AS o
        CROSS JOIN LATERAL (
            SELECT jsonb_object_agg(
                c.name,
                CASE
                    WHEN c.name NOT LIKE 'sha256:%' THEN o.source -> c.name
                    ELSE to_jsonb(encode(sha256((o.source ->> substr(c.name, 8))::bytea), 'hex'))
                END
            ) AS detail
            FROM unnest(columns) AS c (name)
        ) AS d;
    ELSE
        -- A row whose key changed has no partner: it is told as what the old key lost, and as what the new one has.
        WITH old_row AS MATERIALIZED (
            SELECT o.source, k.key
            FROM (SELECT to_jsonb(r) AS source FROM old_rows AS r) AS o
            CROSS JOIN LATERAL (
                SELECT jsonb_agg(o.source -> c.name ORDER BY c.place) AS key
                FROM unnest(TG_ARGV[0] || keys) WITH ORDINALITY AS c (name, place)
            ) AS k
        ),
        new_row AS MATERIALIZED (
            SELECT n.source, k.key
            FROM (SELECT to_jsonb(r) AS source FROM new_rows AS r) AS n
            CROSS JOIN LATERAL (
                SELECT jsonb_agg(n.source -> c.name ORDER BY c.place) AS key
                FROM unnest(TG_ARGV[0] || keys) WITH ORDINALITY AS c (name, place)
            ) AS k
        )
        SELECT array_agg(coalesce(n.source, o.source)), array_agg(d.detail)
        INTO sources, details
        FROM old_row AS o
        FULL JOIN new_row AS n ON n.key = o.key
        CROSS JOIN LATERAL (
            SELECT jsonb_object_agg(v.name, jsonb_build_array(v.before, v.after)) AS detail
            FROM (
                SELECT
                    c.name,
                    coalesce(
                        CASE
                            WHEN c.name NOT LIKE 'sha256:%' THEN o.source -> c.name
                            ELSE to_jsonb(encode(sha256((o.source ->> substr(c.name, 8))::bytea), 'hex'))
                        END,
                        'null'
                    ) AS before,
                    coalesce(
                        CASE
                            WHEN c.name NOT LIKE 'sha256:%' THEN n.source -> c.name
                            ELSE to_jsonb(encode(sha256((n.source ->> substr(c.name, 8))::bytea), 'hex'))
                        END,
                        'null'
                    ) AS after
                FROM unnest(columns) AS c (name)
            ) AS v
            WHERE v.before <> v.after
        ) AS d
        WHERE d.detail IS NOT NULL;
    END IF;

    IF details IS NULL THEN
        RETURN NULL;
    END IF;
    seed := uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid());
    WITH entry AS MATERIALIZED (
        SELECT e.workspace_id, e.id, e.object_id, sha256(seed || uuid_send(e.id)) AS salt, e.detail
        FROM (
            SELECT
                coalesce((s.source ->> TG_ARGV[0])::uuid, core.system_workspace_id()) AS workspace_id,
                uuidv7() AS id,
                (s.source ->> keys[1])::uuid AS object_id,
                s.detail
            FROM unnest(sources, details) AS s (source, detail)
        ) AS e
    ),
    told AS (
        INSERT INTO core.audit_detail (workspace_id, event_id, salt, detail)
        SELECT workspace_id, id, salt, detail FROM entry
    )
    INSERT INTO core.audit_event (workspace_id, id, actor_id, api_key_id, request_id, object_id, form, action, object, commitment)
    SELECT
        workspace_id, id, (SELECT core.current_account_id()), (SELECT core.current_api_key_id()), (SELECT core.current_request_id()),
        object_id, 1, TG_OP,
        TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME, sha256(salt || convert_to(detail::text, 'UTF8'))
    FROM entry;
    RETURN NULL;
END
$$;

SET LOCAL ROLE fivefold_owner;
REVOKE CREATE ON SCHEMA core FROM fivefold_definer;

-- What the audit triggers of a table do, as a function core.audit_<schema>_<table>() in which the columns that they list are
-- written out: no row becomes a document as a whole. For tables that are written most; all others are told by
-- core.record_audit(), which tells the same. A migration that changes columns or triggers of such a table calls this again.
CREATE FUNCTION core.write_audit(relation regclass) RETURNS void
LANGUAGE plpgsql
SET search_path = ''
AS $$
DECLARE
    who       text := current_setting('role');
    object    text;
    written   text;
    body      text := '';
    workspace text;
    detail    text;
    source    text;
    t         record;
BEGIN
    SELECT n.nspname || '.' || c.relname, 'core.' || quote_ident('audit_' || n.nspname || '_' || c.relname)
    INTO STRICT object, written
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.oid = relation;
    FOR t IN
        SELECT
            g.tgname AS name,
            upper(substr(g.tgname, 7)) AS action,
            a.args[1] AS tenant,
            string_to_array(a.args[2], ',') AS keys,
            string_to_array(a.args[3], ',') AS columns
        FROM pg_catalog.pg_trigger AS g
        JOIN pg_catalog.pg_proc AS p ON p.oid = g.tgfoid
        CROSS JOIN LATERAL (SELECT string_to_array(encode(g.tgargs, 'escape'), '\000') AS args) AS a
        WHERE g.tgrelid = relation
            AND g.tgname IN ('audit_insert', 'audit_update', 'audit_delete')
        ORDER BY g.tgname DESC
    LOOP
        -- What is told of each column: as core.record_audit() does it.
        SELECT
            string_agg(
                format(
                    CASE t.action
                        WHEN 'INSERT' THEN '%1$L VALUE %3$s'
                        WHEN 'DELETE' THEN '%1$L VALUE %2$s'
                        ELSE '%1$L VALUE CASE WHEN %4$s THEN jsonb_build_array(%2$s, %3$s) END'
                    END,
                    c.name,
                    replace(c.value, '%', 'o'),
                    replace(c.value, '%', 'n'),
                    -- Equal as documents is more than equal for some types, and null is nothing.
                    CASE
                        WHEN c.digest OR c.type IN ('boolean', 'bytea', 'smallint', 'integer', 'bigint', 'text', 'uuid', 'timestamp with time zone')
                            THEN format('%s IS DISTINCT FROM %s', replace(c.value, '%', 'o'), replace(c.value, '%', 'n'))
                        ELSE format(
                            'coalesce(to_jsonb(%s), ''null'') <> coalesce(to_jsonb(%s), ''null'')',
                            replace(c.value, '%', 'o'), replace(c.value, '%', 'n')
                        )
                    END
                ),
                E',\n                    ' ORDER BY c.place
            )
        INTO STRICT detail
        FROM (
            SELECT
                l.name,
                l.place,
                l.name LIKE 'sha256:%' AS digest,
                pg_catalog.format_type(b.atttypid, -1) AS type,
                CASE
                    WHEN l.name LIKE 'sha256:%' THEN format('encode(sha256(%%.%I::bytea), ''hex'')', b.attname)
                    ELSE format('%%.%I', b.attname)
                END AS value
            FROM unnest(t.columns) WITH ORDINALITY AS l (name, place)
            JOIN pg_catalog.pg_attribute AS b ON b.attrelid = relation AND b.attname = replace(l.name, 'sha256:', '')
        ) AS c;
        workspace := CASE WHEN t.tenant <> '' THEN format('%%.%I, ', t.tenant) ELSE '' END;
        IF t.action = 'UPDATE' THEN
            -- A row whose key changed has no partner: it is told as what the old key lost, and as what the new one has.
            SELECT 'old_rows AS o FULL JOIN new_rows AS n ON ' || string_agg(
                format(CASE WHEN b.attnotnull THEN 'n.%1$I = o.%1$I' ELSE 'n.%1$I IS NOT DISTINCT FROM o.%1$I' END, b.attname), ' AND '
            )
            INTO STRICT source
            FROM pg_catalog.pg_attribute AS b
            WHERE b.attrelid = relation
                AND b.attname = ANY (t.tenant || t.keys);
        ELSE
            source := CASE t.action WHEN 'INSERT' THEN 'new_rows AS n' ELSE 'old_rows AS o' END;
        END IF;
        body := body || format(
            $text$    %7$sIF TG_OP = '%1$s' THEN
        WITH entry AS MATERIALIZED (
            SELECT e.workspace_id, e.id, e.object_id, sha256(seed || uuid_send(e.id)) AS salt, e.detail
            FROM (
                SELECT coalesce(%2$score.system_workspace_id()) AS workspace_id, uuidv7() AS id, %3$s AS object_id, JSON_OBJECT(
                    %4$s
                    %5$s ON NULL RETURNING jsonb) AS detail
                FROM %6$s
            ) AS e
            WHERE e.detail <> '{}'
        ),
        told AS (
            INSERT INTO core.audit_detail (workspace_id, event_id, salt, detail)
            SELECT workspace_id, id, salt, detail FROM entry
        )
        INSERT INTO core.audit_event (workspace_id, id, actor_id, api_key_id, request_id, object_id, form, action, object, commitment)
        SELECT
            workspace_id, id, (SELECT core.current_account_id()), (SELECT core.current_api_key_id()), (SELECT core.current_request_id()),
            object_id, 1, '%1$s', %8$L, sha256(salt || convert_to(detail::text, 'UTF8'))
        FROM entry;
$text$,
            t.action,
            CASE WHEN t.action <> 'DELETE' THEN replace(workspace, '%', 'n') ELSE '' END
            || CASE WHEN t.action <> 'INSERT' THEN replace(workspace, '%', 'o') ELSE '' END,
            format(CASE t.action WHEN 'INSERT' THEN 'n.%1$I' WHEN 'DELETE' THEN 'o.%1$I' ELSE 'coalesce(n.%1$I, o.%1$I)' END, t.keys[1]),
            detail,
            CASE t.action WHEN 'UPDATE' THEN 'ABSENT' ELSE 'NULL' END,
            source,
            CASE WHEN body <> '' THEN 'ELS' ELSE '' END,
            object
        );
    END LOOP;

    EXECUTE 'GRANT CREATE ON SCHEMA core TO fivefold_definer';
    EXECUTE 'SET LOCAL ROLE fivefold_definer';
    EXECUTE format(
        $text$CREATE OR REPLACE FUNCTION %s() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ''
SET timezone = 'UTC'
SET datestyle = 'ISO'
SET intervalstyle = 'postgres'
SET bytea_output = 'hex'
SET extra_float_digits = 1
AS $body$
DECLARE
    seed bytea := uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid());
BEGIN
%s    END IF;
    RETURN NULL;
END
$body$
$text$, written, body
    );
    EXECUTE format('REVOKE ALL ON FUNCTION %s() FROM PUBLIC', written);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s() TO fivefold_owner', written);
    EXECUTE format('SET LOCAL ROLE %I', who);
    EXECUTE 'REVOKE CREATE ON SCHEMA core FROM fivefold_definer';
END
$$;

REVOKE ALL ON FUNCTION core.write_audit(regclass) FROM PUBLIC;

SELECT core.write_audit('core.reservation');
SELECT core.write_audit('core.ledger_transfer');

CREATE OR REPLACE TRIGGER audit_insert AFTER INSERT ON core.reservation REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.audit_core_reservation('workspace_id', 'id', 'id,unit,amount,settled_amount,purpose,status');
CREATE OR REPLACE TRIGGER audit_update AFTER UPDATE ON core.reservation REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.audit_core_reservation('workspace_id', 'id', 'id,unit,amount,settled_amount,purpose,status');
CREATE OR REPLACE TRIGGER audit_delete AFTER DELETE ON core.reservation REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.audit_core_reservation('workspace_id', 'id', 'id,unit,amount,settled_amount,purpose,status');
ALTER TABLE core.reservation ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE core.reservation ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE core.reservation ENABLE ALWAYS TRIGGER audit_delete;

CREATE OR REPLACE TRIGGER audit_insert AFTER INSERT ON core.ledger_transfer REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.audit_core_ledger_transfer('workspace_id', 'id', 'id,unit,kind,amount,reservation_id');
ALTER TABLE core.ledger_transfer ENABLE ALWAYS TRIGGER audit_insert;
