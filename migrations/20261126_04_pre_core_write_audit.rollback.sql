SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE OR REPLACE TRIGGER audit_insert AFTER INSERT ON core.reservation REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,unit,amount,settled_amount,purpose,status');
CREATE OR REPLACE TRIGGER audit_update AFTER UPDATE ON core.reservation REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,unit,amount,settled_amount,purpose,status');
CREATE OR REPLACE TRIGGER audit_delete AFTER DELETE ON core.reservation REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,unit,amount,settled_amount,purpose,status');
ALTER TABLE core.reservation ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE core.reservation ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE core.reservation ENABLE ALWAYS TRIGGER audit_delete;

CREATE OR REPLACE TRIGGER audit_insert AFTER INSERT ON core.ledger_transfer REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,unit,kind,amount,reservation_id');
ALTER TABLE core.ledger_transfer ENABLE ALWAYS TRIGGER audit_insert;

DROP FUNCTION core.write_audit(regclass);

GRANT CREATE ON SCHEMA core TO fivefold_definer;
SET LOCAL ROLE fivefold_definer;

-- allow ban-drop-function: no trigger calls it any more.
DROP FUNCTION core.audit_core_reservation();
-- allow ban-drop-function: as above.
DROP FUNCTION core.audit_core_ledger_transfer();

-- Statement trigger. Arguments: column of the workspace ('' for a row without one), key columns (the first is the
-- object's id), allow-list of columns. One event per row; none where no listed column changed.
-- The settings are pinned because they change how a row becomes text, and the text is what is hashed.
-- What it tells of a row is what core.audit_columns() and core.audit_difference() make of it; written out, because a call of
-- such a function costs more than its work.
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

    WITH entry AS MATERIALIZED (
        SELECT
            coalesce((e.source ->> TG_ARGV[0])::uuid, core.system_workspace_id()) AS workspace_id,
            uuidv7() AS id,
            (e.source ->> keys[1])::uuid AS object_id,
            uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) AS salt,
            e.detail
        FROM unnest(sources, details) AS e (source, detail)
    ),
    told AS (
        INSERT INTO core.audit_detail (workspace_id, event_id, salt, detail)
        SELECT workspace_id, id, salt, detail FROM entry
    )
    INSERT INTO core.audit_event (workspace_id, id, actor_id, api_key_id, request_id, object_id, form, action, object, commitment)
    SELECT
        workspace_id, id, core.current_account_id(), core.current_api_key_id(), core.current_request_id(), object_id, 1, TG_OP,
        TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME, sha256(salt || convert_to(detail::text, 'UTF8'))
    FROM entry;
    RETURN NULL;
END
$$;

SET LOCAL ROLE fivefold_owner;
REVOKE CREATE ON SCHEMA core FROM fivefold_definer;
