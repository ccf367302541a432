SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

GRANT CREATE ON SCHEMA core TO fivefold_definer;
SET LOCAL ROLE fivefold_definer;

-- Statement trigger. Arguments: column of the workspace ('' for a row without one), key columns (the first is the
-- object's id), allow-list of columns. One event per row; none where no listed column changed.
-- The settings are pinned because they change how a row becomes text, and the text is what is hashed.
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
    entries jsonb;
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT jsonb_agg(jsonb_build_array(n.source, core.audit_columns(n.source, columns)))
        INTO entries
        FROM (SELECT to_jsonb(r) AS source FROM new_rows AS r) AS n;
    ELSIF TG_OP = 'DELETE' THEN
        SELECT jsonb_agg(jsonb_build_array(o.source, core.audit_columns(o.source, columns)))
        INTO entries
        FROM (SELECT to_jsonb(r) AS source FROM old_rows AS r) AS o;
    ELSE
        -- A row whose key changed has no partner: it is told as what the old key lost, and as what the new one has.
        SELECT jsonb_agg(jsonb_build_array(d.source, d.detail))
        INTO entries
        FROM (
            SELECT
                coalesce(n.source, o.source) AS source,
                core.audit_difference(core.audit_columns(o.source, columns), core.audit_columns(n.source, columns)) AS detail
            FROM (SELECT to_jsonb(r) AS source FROM old_rows AS r) AS o
            FULL JOIN (SELECT to_jsonb(r) AS source FROM new_rows AS r) AS n
                ON jsonb_build_array(n.source -> TG_ARGV[0], core.audit_columns(n.source, keys))
                = jsonb_build_array(o.source -> TG_ARGV[0], core.audit_columns(o.source, keys))
        ) AS d
        WHERE d.detail IS NOT NULL;
    END IF;

    WITH entry AS MATERIALIZED (
        SELECT
            coalesce((e.value -> 0 ->> TG_ARGV[0])::uuid, core.system_workspace_id()) AS workspace_id,
            uuidv7() AS id,
            (e.value -> 0 ->> keys[1])::uuid AS object_id,
            uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) AS salt,
            e.value -> 1 AS detail
        FROM jsonb_array_elements(entries) AS e
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
