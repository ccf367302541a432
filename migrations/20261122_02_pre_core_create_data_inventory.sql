-- Why:      what is kept of a person, why, and what becomes of it, must be known of every column, or a right is only a promise.
-- Change:   core.data_inventory.
-- Locks:    none on existing tables.
-- Data:     no rows here: the columns of the tables that exist are classified by a migration of their own; from now on the
--           migration that makes a column classifies it.
-- Old code: nothing reads it yet.
-- Rollback: drops the inventory.
-- depends: 20261122_01_pre_core_record_action
SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE core.data_inventory (
    object      text NOT NULL,
    column_name text NOT NULL,
    class       text NOT NULL CONSTRAINT data_inventory_class_known
        CHECK (class IN ('identifier', 'personal', 'sensitive', 'secret', 'technical', 'shared')),
    purpose     text NOT NULL CONSTRAINT data_inventory_purpose_known
        CHECK (purpose IN ('account', 'security', 'service', 'billing', 'audit', 'operation')),
    export_rule text NOT NULL CONSTRAINT data_inventory_export_rule_known CHECK (export_rule IN ('include', 'omit')),
    erase_rule  text NOT NULL CONSTRAINT data_inventory_erase_rule_known CHECK (erase_rule IN ('delete', 'anonymize', 'keep')),
    retention   text NOT NULL CONSTRAINT data_inventory_retention_length CHECK (length(retention) BETWEEN 1 AND 60),
    reason      text CONSTRAINT data_inventory_reason_length CHECK (length(reason) BETWEEN 1 AND 300),
    CONSTRAINT data_inventory_pkey PRIMARY KEY (object, column_name),
    CONSTRAINT data_inventory_reason_given CHECK (
        reason IS NOT NULL
        OR class = 'shared'
        OR erase_rule <> 'keep' AND (export_rule = 'include' OR class IN ('secret', 'technical'))
    )
);

COMMENT ON TABLE core.data_inventory IS 'shared. Every column of every table: what it holds, why, and what becomes of it.';
COMMENT ON COLUMN core.data_inventory.object IS 'The table, such as core.account.';
COMMENT ON COLUMN core.data_inventory.class IS
'identifier names a person; personal and sensitive tell of one; secret is or protects a credential; technical is bookkeeping; shared is about nobody.';
COMMENT ON COLUMN core.data_inventory.export_rule IS 'include: in the person''s export. omit: not, with the reason where it is about the person.';
COMMENT ON COLUMN core.data_inventory.erase_rule IS 'delete: with its row. anonymize: overwritten, the row stays. keep: stays, with the reason.';
COMMENT ON COLUMN core.data_inventory.retention IS 'How long without erasure: account, workspace, or a time such as 90 days.';

ALTER TABLE core.data_inventory ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.data_inventory FORCE ROW LEVEL SECURITY;
-- allow always-true-policy: it tells of columns, not of people; everybody may know what is kept.
CREATE POLICY reader ON core.data_inventory FOR SELECT TO fivefold_api, fivefold_worker USING (true);
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON core.data_inventory TO fivefold_owner USING (true) WITH CHECK (true);
GRANT SELECT ON core.data_inventory TO fivefold_api, fivefold_worker;
