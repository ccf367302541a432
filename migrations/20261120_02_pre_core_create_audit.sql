-- Why:      who did what must be provable, also against the people who run the database.
-- Change:   core.audit_event (monthly partitions), core.audit_detail, the trigger functions and the partition maker.
-- Locks:    none on existing tables.
-- Data:     no rows; partitions for this month and the next twelve.
-- Old code: nothing reads it yet.
-- Rollback: drops the whole audit: allowed only by the flag that its first line sets.
-- depends: 20261120_01_pre_core_create_schema

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow prefer-bigint-over-smallint: form counts versions of a format.
CREATE TABLE core.audit_event (
    workspace_id uuid     NOT NULL,
    id           uuid     NOT NULL DEFAULT uuidv7(),
    actor_id     uuid,
    api_key_id   uuid,
    request_id   uuid,
    object_id    uuid     NOT NULL,
    xid          xid8     NOT NULL DEFAULT pg_current_xact_id(),
    form         smallint NOT NULL,
    action       text     NOT NULL CONSTRAINT audit_event_action_known CHECK (action IN ('INSERT', 'UPDATE', 'DELETE')),
    object       text     NOT NULL,
    commitment   bytea    NOT NULL CONSTRAINT audit_event_commitment_length CHECK (octet_length(commitment) = 32),
    CONSTRAINT audit_event_pkey PRIMARY KEY (workspace_id, id)
) PARTITION BY RANGE (id);

COMMENT ON TABLE core.audit_event IS 'owned. Append-only: one row per audited change; no foreign key leaves it, so nothing can cascade into it.';
COMMENT ON COLUMN core.audit_event.xid IS 'Transaction that wrote the event; a seal waits until it is older than every running one.';
COMMENT ON COLUMN core.audit_event.form IS 'Version of the canonical form that was hashed.';
COMMENT ON COLUMN core.audit_event.commitment IS 'sha256(salt || detail as text): proves the detail without holding it.';

CREATE TABLE core.audit_detail (
    workspace_id uuid  NOT NULL,
    event_id     uuid  NOT NULL,
    salt         bytea NOT NULL CONSTRAINT audit_detail_salt_length CHECK (octet_length(salt) = 32),
    detail       jsonb NOT NULL,
    CONSTRAINT audit_detail_pkey PRIMARY KEY (workspace_id, event_id)
);

COMMENT ON TABLE core.audit_detail IS 'owned. What an event changed. Removing a row here forgets the person; the event still verifies.';

ALTER TABLE core.audit_event ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.audit_event FORCE ROW LEVEL SECURITY;
ALTER TABLE core.audit_detail ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.audit_detail FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON core.audit_event FOR SELECT TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
CREATE POLICY tenant ON core.audit_detail FOR SELECT TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));

-- allow always-true-policy: an auditor reads the events (never the details) of every workspace.
CREATE POLICY auditor ON core.audit_event FOR SELECT TO fivefold_auditor USING (true);
-- allow always-true-policy: the trigger function appends for whoever made the change; it may do nothing else.
CREATE POLICY definer ON core.audit_event FOR INSERT TO fivefold_definer WITH CHECK (true);
-- allow always-true-policy: as above.
CREATE POLICY definer ON core.audit_detail FOR INSERT TO fivefold_definer WITH CHECK (true);
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON core.audit_event TO fivefold_owner USING (true) WITH CHECK (true);
-- allow always-true-policy: as above.
CREATE POLICY owner ON core.audit_detail TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT ON core.audit_event, core.audit_detail TO fivefold_api, fivefold_worker;
GRANT SELECT ON core.audit_event TO fivefold_auditor;
GRANT INSERT ON core.audit_event, core.audit_detail TO fivefold_definer;

CREATE FUNCTION core.refuse_change() RETURNS trigger
LANGUAGE plpgsql
SET search_path = ''
AS $$
BEGIN
    RAISE EXCEPTION '%.% is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON core.audit_event
FOR EACH ROW EXECUTE FUNCTION core.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON core.audit_event
FOR EACH STATEMENT EXECUTE FUNCTION core.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON core.audit_detail
FOR EACH ROW EXECUTE FUNCTION core.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON core.audit_detail
FOR EACH STATEMENT EXECUTE FUNCTION core.refuse_change();

-- ALWAYS: session_replication_role = replica switches ordinary triggers off.
ALTER TABLE core.audit_event ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE core.audit_event ENABLE ALWAYS TRIGGER append_only_truncate;
ALTER TABLE core.audit_detail ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE core.audit_detail ENABLE ALWAYS TRIGGER append_only_truncate;

-- The listed columns of a row; 'sha256:packed' stands for the digest of a bytea column that must not be told.
CREATE FUNCTION core.audit_columns(source jsonb, columns text[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE
SET search_path = ''
RETURN (
    SELECT jsonb_object_agg(
        c.name,
        CASE
            WHEN c.name NOT LIKE 'sha256:%' THEN source -> c.name
            ELSE to_jsonb(encode(sha256((source ->> substr(c.name, 8))::bytea), 'hex'))
        END
    )
    FROM unnest(columns) AS c (name)
);

-- What differs between two such objects, as {column: [old, new]}; NULL when nothing does.
CREATE FUNCTION core.audit_difference(before jsonb, after jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE
SET search_path = ''
RETURN (
    SELECT jsonb_object_agg(o.key, jsonb_build_array(o.value, after -> o.key))
    FROM jsonb_each(before) AS o
    WHERE o.value IS DISTINCT FROM after -> o.key
);

-- Statement trigger. Arguments: column of the workspace ('' for a row without one), key columns (the first is the
-- object's id), allow-list of columns. One event per row; none where no listed column changed.
-- The settings are pinned because they change how a row becomes text, and the text is what is hashed.
CREATE FUNCTION core.record_audit() RETURNS trigger
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

REVOKE ALL ON FUNCTION core.record_audit() FROM PUBLIC;

-- A function changes hands only to a role that may create in its schema, and the owner needs it to make triggers.
GRANT CREATE ON SCHEMA core TO fivefold_definer;
ALTER FUNCTION core.record_audit() OWNER TO fivefold_definer;
REVOKE CREATE ON SCHEMA core FROM fivefold_definer;
SET LOCAL ROLE fivefold_definer;
GRANT EXECUTE ON FUNCTION core.record_audit() TO fivefold_owner;
SET LOCAL ROLE fivefold_owner;

-- CREATE ... PARTITION OF waits behind every open mutation; a table made aside and attached does not.
CREATE FUNCTION core.create_audit_partition(month date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ''
AS $$
DECLARE
    name text := 'audit_event_' || to_char(month, 'YYYYMM');
    low  uuid := core.uuidv7_floor(date_trunc('month', month::timestamp) AT TIME ZONE 'UTC');
    high uuid := core.uuidv7_floor((date_trunc('month', month::timestamp) + interval '1 month') AT TIME ZONE 'UTC');
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('core.create_audit_partition'));  -- two at once take turns
    IF to_regclass('core.' || name) IS NOT NULL THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE TABLE core.%I (LIKE core.audit_event INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE)', name);
    EXECUTE format('ALTER TABLE core.%I ADD CONSTRAINT %I PRIMARY KEY (workspace_id, id)', name, name || '_pkey');
    EXECUTE format('ALTER TABLE core.%I ADD CONSTRAINT bound CHECK (id >= %L AND id < %L)', name, low, high);
    EXECUTE format('ALTER TABLE core.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY owner ON core.%I TO fivefold_owner USING (true) WITH CHECK (true)', name);
    EXECUTE format(
        'CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON core.%I FOR EACH STATEMENT EXECUTE FUNCTION core.refuse_change()', name);
    EXECUTE format('ALTER TABLE core.%I ENABLE ALWAYS TRIGGER append_only_truncate', name);
    EXECUTE format('ALTER TABLE core.audit_event ATTACH PARTITION core.%I FOR VALUES FROM (%L) TO (%L)', name, low, high);
    EXECUTE format('ALTER TABLE core.%I DROP CONSTRAINT bound', name);
END
$$;

REVOKE ALL ON FUNCTION core.create_audit_partition(date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION core.create_audit_partition(date) TO fivefold_worker;

SELECT core.create_audit_partition((date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => ahead))::date)
FROM generate_series(0, 12) AS ahead;
