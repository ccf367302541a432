-- Why:      what a plan allows a day or a month is counted, and nobody who asks in parallel gets more.
-- Change:   core.usage_counter; core.plan_limit.period.
-- Locks:    ACCESS EXCLUSIVE on core.plan_limit and SHARE ROW EXCLUSIVE on core.workspace for a moment.
-- Data:     no rows but those that tell core.data_inventory of the columns.
-- Old code: goes on; its limits have no period.
-- Rollback: drops the counters: everybody has used nothing.
-- depends: 20261121_03_pre_core_create_plan 20261122_02_pre_core_create_data_inventory 20261122_30_pre_core_create_ledger

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

ALTER TABLE core.plan_limit
ADD COLUMN period text CONSTRAINT plan_limit_period_known CHECK (period IN ('day', 'month'));
COMMENT ON COLUMN core.plan_limit.period IS 'How often it begins anew, by the calendar in UTC; NULL for what is there or is not.';

CREATE TABLE core.usage_counter (
    workspace_id uuid        NOT NULL CONSTRAINT usage_counter_workspace_id_fkey REFERENCES core.workspace (id),
    period_start timestamptz NOT NULL,
    used         bigint      NOT NULL CONSTRAINT usage_counter_used_range CHECK (used >= 0),
    name         text        NOT NULL CONSTRAINT usage_counter_name_form CHECK (name ~ '^[a-z]+\.[a-z_]{1,60}$'),
    CONSTRAINT usage_counter_pkey PRIMARY KEY (workspace_id, name, period_start)
);

COMMENT ON TABLE core.usage_counter IS 'owned. How much of something the workspace has used in a day or a month.';
COMMENT ON COLUMN core.usage_counter.name IS 'Product and what is counted, as in core.plan_limit.';
COMMENT ON COLUMN core.usage_counter.period_start IS 'The first moment of the day or month, in UTC.';

ALTER TABLE core.usage_counter ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.usage_counter FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON core.usage_counter TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON core.usage_counter TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT, INSERT ON core.usage_counter TO fivefold_api, fivefold_worker;
GRANT UPDATE (used) ON core.usage_counter TO fivefold_api, fivefold_worker;

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.plan_limit', 'period', 'shared', 'service', 'omit', 'keep', 'product', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.usage_counter', 'workspace_id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('core.usage_counter', 'period_start', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('core.usage_counter', 'used', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('core.usage_counter', 'name', 'technical', 'service', 'include', 'delete', 'workspace', NULL);
