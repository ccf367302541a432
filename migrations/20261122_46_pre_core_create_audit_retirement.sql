-- Why:      events are not kept for ever; what is deleted must be a whole old month, sealed, and its seals must stay.
-- Change:   core.audit_retirement and core.retire_audit_month(); details of months that are gone may be deleted; a function that
--           lists events takes the place of a slower one.
-- Locks:    ACCESS EXCLUSIVE on core.audit_detail for a moment, for two policies.
-- Data:     no rows are written but those of the inventory.
-- Old code: goes on; it retires nothing, and cannot go on sealing after a dump was restored elsewhere, which waits for the new.
-- Rollback: fails while months are retired: only this table says that they were, and not stolen.
-- depends: 20261122_45_pre_core_create_audit_block

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE core.audit_retirement (
    begins     uuid        NOT NULL,
    ends       uuid        NOT NULL,
    event_id   uuid        NOT NULL,
    events     bigint      NOT NULL CONSTRAINT audit_retirement_events_not_negative CHECK (events >= 0),
    retired_at timestamptz NOT NULL DEFAULT now(),
    leaf       bytea       NOT NULL,
    CONSTRAINT audit_retirement_pkey PRIMARY KEY (begins),
    CONSTRAINT audit_retirement_ends_later CHECK (ends > begins)
);

COMMENT ON TABLE core.audit_retirement IS 'shared. Months of the audit that are gone, by the ids of their events; each has a sealed event that says so. Append-only.';
COMMENT ON COLUMN core.audit_retirement.event_id IS 'The event RETIRE; its object_id is begins, so that the seal holds which month it was.';
COMMENT ON COLUMN core.audit_retirement.leaf IS 'That event as it is sealed, for when its own month is gone.';

ALTER TABLE core.audit_retirement ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.audit_retirement FORCE ROW LEVEL SECURITY;
-- allow always-true-policy: it tells of months.
CREATE POLICY reader ON core.audit_retirement FOR SELECT TO fivefold_api, fivefold_worker, fivefold_auditor USING (true);
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON core.audit_retirement TO fivefold_owner USING (true) WITH CHECK (true);
GRANT SELECT ON core.audit_retirement TO fivefold_api, fivefold_worker, fivefold_auditor;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON core.audit_retirement
FOR EACH ROW EXECUTE FUNCTION core.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON core.audit_retirement
FOR EACH STATEMENT EXECUTE FUNCTION core.refuse_change();
ALTER TABLE core.audit_retirement ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE core.audit_retirement ENABLE ALWAYS TRIGGER append_only_truncate;

-- Drops one month, three months old or older, that the caller has compared with its seals: so many events, none of them above
-- the newest block's horizon unless an earlier era sealed them. It waits half a second for the lock that a drop takes, and fails.
CREATE FUNCTION core.retire_audit_month(month date, events bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ''
SET lock_timeout = '500ms'
AS $$
DECLARE
    name   text := 'audit_event_' || to_char(month, 'YYYYMM');
    low    uuid := core.uuidv7_floor(date_trunc('month', month::timestamp) AT TIME ZONE 'UTC');
    high   uuid := core.uuidv7_floor((date_trunc('month', month::timestamp) + interval '1 month') AT TIME ZONE 'UTC');
    last   core.audit_block;
    found  bigint;
    above  boolean;
    event  uuid;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('core.create_audit_partition'));
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_inherits AS i
        WHERE i.inhparent = 'core.audit_event'::regclass AND i.inhrelid = to_regclass('core.' || name)
    ) THEN
        RETURN;
    END IF;
    IF date_trunc('month', month::timestamp) + interval '1 month' > (now() AT TIME ZONE 'UTC') - interval '3 months' THEN
        RAISE EXCEPTION 'a month is kept for three months at least' USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT b.* INTO last FROM core.audit_block AS b ORDER BY b.number DESC LIMIT 1;
    EXECUTE format('SELECT count(*), coalesce(bool_or(e.xid >= $1), false) FROM core.%I AS e', name)
    INTO found, above USING coalesce(last.horizon, '0'::xid8);
    IF found <> retire_audit_month.events OR found > 0 AND last.number IS NULL OR above AND last.era = 0 THEN
        RAISE EXCEPTION 'what is not sealed is not retired' USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM set_config('fivefold.audit_ddl', 'allowed', true);
    EXECUTE format('DROP TABLE core.%I', name);
    PERFORM set_config('fivefold.audit_ddl', '', true);
    event := core.append_audit(
        core.system_workspace_id(), NULL, 'RETIRE', 'core.audit_event', low,
        jsonb_build_object('month', to_char(month, 'YYYY-MM'), 'events', found)
    );
    -- The layout is that of app/core/audit_block.py, leaf_bytes(): who verifies computes it again.
    INSERT INTO core.audit_retirement (begins, ends, event_id, events, leaf)
    SELECT low, high, e.id, found,
        int2send(e.form) || uuid_send(e.workspace_id) || uuid_send(e.id)
        || coalesce('\x01'::bytea || uuid_send(e.actor_id), '\x00') || coalesce('\x01'::bytea || uuid_send(e.api_key_id), '\x00')
        || coalesce('\x01'::bytea || uuid_send(e.request_id), '\x00') || uuid_send(e.object_id) || xid8send(e.xid)
        || int4send(octet_length(e.action)) || convert_to(e.action, 'UTF8')
        || int4send(octet_length(e.object)) || convert_to(e.object, 'UTF8')
        || int4send(octet_length(e.commitment)) || e.commitment
    FROM core.audit_event AS e
    WHERE e.workspace_id = core.system_workspace_id() AND e.id = event;
END
$$;

-- All events between two ids, in the order of (xid, id), by page. It takes the place of one that sorted all of them each time.
-- allow ban-drop-function: only the worker called it, and only after a restore.
DROP FUNCTION core.list_every_event(uuid, uuid, integer);
CREATE FUNCTION core.list_event_between(begins uuid, ends uuid, past_xid xid8, past_id uuid, max_rows integer) RETURNS TABLE (
    workspace_id uuid, id uuid, actor_id uuid, api_key_id uuid, request_id uuid, object_id uuid,
    xid xid8, form smallint, action text, object text, commitment bytea
)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
AS $$
    SELECT e.workspace_id, e.id, e.actor_id, e.api_key_id, e.request_id, e.object_id, e.xid, e.form, e.action, e.object, e.commitment
    FROM core.audit_event AS e
    WHERE e.id >= begins
        AND e.id <= ends
        AND e.xid >= past_xid
        AND (e.xid, e.id) > (past_xid, past_id)
    ORDER BY e.xid, e.id
    LIMIT max_rows
$$;
REVOKE ALL ON FUNCTION core.list_event_between(uuid, uuid, xid8, uuid, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION core.list_event_between(uuid, uuid, xid8, uuid, integer) TO fivefold_worker;

-- Details of retired months go too. The events are gone, so that core.refuse_living() has nothing to hold against it.
CREATE POLICY definer_sees_retired ON core.audit_detail FOR SELECT TO fivefold_definer
USING (EXISTS (SELECT FROM core.audit_retirement AS r WHERE event_id >= r.begins AND event_id < r.ends));
CREATE POLICY definer_forgets_retired ON core.audit_detail FOR DELETE TO fivefold_definer
USING (EXISTS (SELECT FROM core.audit_retirement AS r WHERE event_id >= r.begins AND event_id < r.ends));
GRANT SELECT ON core.audit_retirement TO fivefold_definer;
-- allow always-true-policy: it tells of months.
CREATE POLICY definer ON core.audit_retirement FOR SELECT TO fivefold_definer USING (true);

CREATE FUNCTION core.forget_retired_detail(begins uuid, ends uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ''
AS $$
BEGIN
    DELETE FROM core.audit_detail AS d
    USING core.audit_retirement AS r
    WHERE d.event_id >= r.begins
        AND d.event_id < r.ends
        AND r.begins = forget_retired_detail.begins
        AND r.ends = forget_retired_detail.ends;
END
$$;

REVOKE ALL ON FUNCTION core.retire_audit_month(date, bigint), core.forget_retired_detail(uuid, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION core.retire_audit_month(date, bigint) TO fivefold_worker;
GRANT CREATE ON SCHEMA core TO fivefold_definer;
ALTER FUNCTION core.forget_retired_detail(uuid, uuid) OWNER TO fivefold_definer;
REVOKE CREATE ON SCHEMA core FROM fivefold_definer;
SET LOCAL ROLE fivefold_definer;
GRANT EXECUTE ON FUNCTION core.forget_retired_detail(uuid, uuid) TO fivefold_worker;
SET LOCAL ROLE fivefold_owner;

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason)
SELECT 'core.audit_retirement', c.column_name, 'shared', 'audit', 'omit', 'keep', 'for ever', 'It tells which months of the audit are gone, and of nobody.'
FROM (VALUES ('begins'), ('ends'), ('event_id'), ('events'), ('retired_at'), ('leaf')) AS c (column_name);
