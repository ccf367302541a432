-- Why:      what a webhook is to be told is told at least once, whatever fails, and can be told again.
-- Change:   core.webhook_delivery, core.webhook_attempt; a trigger on core.outbox that makes deliveries.
-- Locks:    SHARE ROW EXCLUSIVE on core.outbox and core.webhook for a moment.
-- Data:     no rows but those of the inventory.
-- Old code: writes to the outbox as before; without webhooks the trigger does nothing.
-- Rollback: drops deliveries, what waits to be delivered too.
-- depends: 20261122_71_pre_core_create_webhook

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow prefer-bigint-over-int: a dozen attempts at most between two replays.
CREATE TABLE core.webhook_delivery (
    workspace_id uuid        NOT NULL,
    id           uuid        NOT NULL DEFAULT uuidv7(),
    webhook_id   uuid        NOT NULL,
    event_id     uuid        NOT NULL,
    object_id    uuid        NOT NULL,
    event_at     timestamptz NOT NULL,
    next_at      timestamptz DEFAULT now(),
    ended_at     timestamptz,
    tries        integer     NOT NULL DEFAULT 0 CONSTRAINT webhook_delivery_tries_not_negative CHECK (tries >= 0),
    turn         integer     NOT NULL DEFAULT 0 CONSTRAINT webhook_delivery_turn_not_negative CHECK (turn >= 0),
    status       text        NOT NULL DEFAULT 'WAITING'
        CONSTRAINT webhook_delivery_status_known CHECK (status IN ('WAITING', 'DELIVERED', 'DEAD')),
    kind         text        NOT NULL CONSTRAINT webhook_delivery_kind_form CHECK (kind ~ '^[a-z]+\.[a-z_]{1,60}$'),
    detail       jsonb       NOT NULL CONSTRAINT webhook_delivery_detail_form CHECK (jsonb_typeof(detail) = 'object'),
    CONSTRAINT webhook_delivery_pkey PRIMARY KEY (workspace_id, id),
    CONSTRAINT webhook_delivery_event_key UNIQUE (workspace_id, webhook_id, event_id),
    CONSTRAINT webhook_delivery_webhook_fkey FOREIGN KEY (workspace_id, webhook_id)
        REFERENCES core.webhook (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT webhook_delivery_waits_until CHECK ((status = 'WAITING') = (next_at IS NOT NULL))
);

-- Serves the look for what should have been tried and was not; empty when all is delivered.
CREATE INDEX webhook_delivery_next_at_idx ON core.webhook_delivery (next_at) WHERE next_at IS NOT NULL;

COMMENT ON TABLE core.webhook_delivery IS 'owned. One event for one webhook; kept for 30 days.';
COMMENT ON COLUMN core.webhook_delivery.event_id IS 'Row of the outbox that it repeats: there is one delivery of it to each webhook.';
COMMENT ON COLUMN core.webhook_delivery.tries IS 'Attempts since it was made or last replayed.';
COMMENT ON COLUMN core.webhook_delivery.turn IS 'Grows whenever what is to be done next changes: a job that knows another number has nothing to do.';
COMMENT ON COLUMN core.webhook_delivery.status IS 'DEAD is a dead letter: nothing tries it any more until it is replayed.';

-- allow prefer-bigint-over-smallint: a status of HTTP.
-- allow prefer-bigint-over-int: milliseconds of at most a minute.
CREATE TABLE core.webhook_attempt (
    workspace_id uuid        NOT NULL,
    id           uuid        NOT NULL DEFAULT uuidv7(),
    delivery_id  uuid        NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    milliseconds integer     NOT NULL CONSTRAINT webhook_attempt_milliseconds_not_negative CHECK (milliseconds >= 0),
    http_status  smallint,
    failure      text        CONSTRAINT webhook_attempt_failure_form CHECK (failure ~ '^[A-Z_]{1,40}$'),
    CONSTRAINT webhook_attempt_pkey PRIMARY KEY (workspace_id, id),
    CONSTRAINT webhook_attempt_delivery_fkey FOREIGN KEY (workspace_id, delivery_id)
        REFERENCES core.webhook_delivery (workspace_id, id) ON DELETE CASCADE
);

-- Serves the foreign key, and the attempts of a delivery.
CREATE INDEX webhook_attempt_workspace_id_delivery_id_idx ON core.webhook_attempt (workspace_id, delivery_id);

COMMENT ON TABLE core.webhook_attempt IS 'owned. One request of a delivery, and what came of it; never what was answered.';
COMMENT ON COLUMN core.webhook_attempt.failure IS 'NULL for a success; else what went wrong, in a word.';

ALTER TABLE core.webhook_delivery ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.webhook_delivery FORCE ROW LEVEL SECURITY;
ALTER TABLE core.webhook_attempt ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.webhook_attempt FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON core.webhook_delivery TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
-- As the system the worker finds what should have been tried, and drops what is past its 30 days.
CREATE POLICY worker_due ON core.webhook_delivery FOR SELECT TO fivefold_worker
USING ((SELECT core.current_workspace_id()) = (SELECT core.system_workspace_id()) AND next_at IS NOT NULL);
CREATE POLICY worker_old ON core.webhook_delivery TO fivefold_worker
USING (
    (SELECT core.current_workspace_id()) = (SELECT core.system_workspace_id())
    AND event_at < now() - interval '30 days'
);
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON core.webhook_delivery TO fivefold_owner USING (true) WITH CHECK (true);
CREATE POLICY tenant ON core.webhook_attempt TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON core.webhook_attempt TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT, INSERT ON core.webhook_delivery TO fivefold_api;
GRANT UPDATE (next_at, ended_at, tries, turn, status) ON core.webhook_delivery TO fivefold_api, fivefold_worker;
GRANT SELECT, INSERT, DELETE ON core.webhook_delivery TO fivefold_worker;
GRANT SELECT ON core.webhook_attempt TO fivefold_api;
GRANT SELECT, INSERT ON core.webhook_attempt TO fivefold_worker;

-- What is told to the outbox becomes deliveries in the same transaction: there is no time between the two in which one could
-- be lost or made twice. The lock lets a webhook that is being deleted go first; its deliveries are then not made.
CREATE FUNCTION core.make_deliveries() RETURNS trigger
LANGUAGE plpgsql
SET search_path = ''
AS $$
DECLARE
    payloads bytea[];
    keys     text[];
BEGIN
    WITH listening AS (
        SELECT w.workspace_id, w.id, w.kinds
        FROM core.webhook AS w
        WHERE w.workspace_id IN (SELECT n.workspace_id FROM new_rows AS n)
            AND w.disabled_at IS NULL
        FOR KEY SHARE
    ), made AS (
        INSERT INTO core.webhook_delivery (workspace_id, webhook_id, event_id, object_id, event_at, kind, detail)
        SELECT n.workspace_id, l.id, n.id, n.object_id, n.created_at, n.kind, n.detail
        FROM new_rows AS n
        JOIN listening AS l ON l.workspace_id = n.workspace_id AND n.kind = ANY (l.kinds)
        RETURNING workspace_id, id
    )
    SELECT
        array_agg(convert_to(json_build_object('workspace_id', m.workspace_id, 'delivery_id', m.id, 'turn', 0)::text, 'UTF8')),
        array_agg(format('core.deliver_webhook:%s:0', m.id))
    INTO payloads, keys
    FROM made AS m;
    IF payloads IS NOT NULL THEN
        PERFORM jobs.enqueue('core.deliver_webhook', payloads, keys, interval '0', 0);
    END IF;
    RETURN NULL;
END
$$;

REVOKE ALL ON FUNCTION core.make_deliveries() FROM PUBLIC;

CREATE TRIGGER make_deliveries AFTER INSERT ON core.outbox REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.make_deliveries();
ALTER TABLE core.outbox ENABLE ALWAYS TRIGGER make_deliveries;

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.webhook_delivery', 'workspace_id', 'technical', 'service', 'omit', 'delete', '30 days', NULL),
('core.webhook_delivery', 'id', 'technical', 'service', 'include', 'delete', '30 days', NULL),
('core.webhook_delivery', 'webhook_id', 'technical', 'service', 'include', 'delete', '30 days', NULL),
('core.webhook_delivery', 'event_id', 'technical', 'service', 'omit', 'delete', '30 days', NULL),
('core.webhook_delivery', 'object_id', 'technical', 'service', 'include', 'delete', '30 days', NULL),
('core.webhook_delivery', 'event_at', 'personal', 'service', 'include', 'delete', '30 days', NULL),
('core.webhook_delivery', 'next_at', 'technical', 'service', 'omit', 'delete', '30 days', NULL),
('core.webhook_delivery', 'ended_at', 'technical', 'service', 'include', 'delete', '30 days', NULL),
('core.webhook_delivery', 'tries', 'technical', 'service', 'omit', 'delete', '30 days', NULL),
('core.webhook_delivery', 'turn', 'technical', 'service', 'omit', 'delete', '30 days', NULL),
('core.webhook_delivery', 'status', 'technical', 'service', 'include', 'delete', '30 days', NULL),
('core.webhook_delivery', 'kind', 'personal', 'service', 'include', 'delete', '30 days', NULL),
('core.webhook_delivery', 'detail', 'personal', 'service', 'include', 'delete', '30 days', NULL),
('core.webhook_attempt', 'workspace_id', 'technical', 'service', 'omit', 'delete', '30 days', NULL),
('core.webhook_attempt', 'id', 'technical', 'service', 'omit', 'delete', '30 days', NULL),
('core.webhook_attempt', 'delivery_id', 'technical', 'service', 'include', 'delete', '30 days', NULL),
('core.webhook_attempt', 'created_at', 'technical', 'service', 'include', 'delete', '30 days', NULL),
('core.webhook_attempt', 'milliseconds', 'technical', 'service', 'include', 'delete', '30 days', NULL),
('core.webhook_attempt', 'http_status', 'technical', 'service', 'include', 'delete', '30 days', NULL),
('core.webhook_attempt', 'failure', 'technical', 'service', 'include', 'delete', '30 days', NULL);
