-- Why:      a workspace's own systems are told what happened, without asking again and again.
-- Change:   core.webhook; a limit on them in every plan.
-- Locks:    SHARE ROW EXCLUSIVE on core.workspace while the foreign key is added.
-- Data:     a limit for each plan, and the rows of the inventory.
-- Old code: nothing reads it yet.
-- Rollback: drops every webhook with its secret.
-- depends: 20261122_70_pre_core_create_data_key

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE core.webhook (
    workspace_id    uuid        NOT NULL CONSTRAINT webhook_workspace_id_fkey REFERENCES core.workspace (id),
    id              uuid        NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    disabled_at     timestamptz,
    failing_since   timestamptz,
    resting_until   timestamptz,
    previous_until  timestamptz,
    disabled_reason text        CONSTRAINT webhook_disabled_reason_known CHECK (disabled_reason IN ('ASKED', 'FAILING', 'GONE')),
    url             text        NOT NULL CONSTRAINT webhook_url_length CHECK (length(url) BETWEEN 1 AND 2000),
    description     text        NOT NULL CONSTRAINT webhook_description_length CHECK (length(description) <= 200),
    kinds           text[]      NOT NULL CONSTRAINT webhook_kinds_count CHECK (cardinality(kinds) BETWEEN 1 AND 100),
    secret          bytea       NOT NULL CONSTRAINT webhook_secret_length CHECK (octet_length(secret) = 77),
    previous_secret bytea       CONSTRAINT webhook_previous_secret_length CHECK (octet_length(previous_secret) = 77),
    CONSTRAINT webhook_pkey PRIMARY KEY (workspace_id, id),
    CONSTRAINT webhook_disabled_has_reason CHECK ((disabled_at IS NULL) = (disabled_reason IS NULL)),
    CONSTRAINT webhook_previous_has_end CHECK ((previous_secret IS NULL) = (previous_until IS NULL))
);

COMMENT ON TABLE core.webhook IS 'owned. Where a workspace is told what happened.';
COMMENT ON COLUMN core.webhook.failing_since IS 'Since when every attempt has failed; NULL once one succeeds.';
COMMENT ON COLUMN core.webhook.resting_until IS 'Until then nothing is tried: who does not answer must not hold up the deliveries of others.';
COMMENT ON COLUMN core.webhook.previous_until IS 'Until then deliveries are signed with the previous secret as well.';
COMMENT ON COLUMN core.webhook.secret IS 'Sealed with the workspace''s data key; see app/kit/vault.py.';

ALTER TABLE core.webhook ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.webhook FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON core.webhook TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON core.webhook TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, DELETE ON core.webhook TO fivefold_api;
GRANT SELECT ON core.webhook TO fivefold_worker;
GRANT UPDATE (
    disabled_at, disabled_reason, failing_since, resting_until, previous_until, url, description, kinds, secret, previous_secret
) ON core.webhook TO fivefold_api;
GRANT UPDATE (disabled_at, disabled_reason, failing_since, resting_until) ON core.webhook TO fivefold_worker;

-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_insert AFTER INSERT ON core.webhook REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,url,description,kinds,previous_until,disabled_at,disabled_reason');
CREATE TRIGGER audit_update AFTER UPDATE ON core.webhook REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,url,description,kinds,previous_until,disabled_at,disabled_reason');
CREATE TRIGGER audit_delete AFTER DELETE ON core.webhook REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,url,description,kinds,previous_until,disabled_at,disabled_reason');
ALTER TABLE core.webhook ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE core.webhook ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE core.webhook ENABLE ALWAYS TRIGGER audit_delete;

INSERT INTO core.plan_limit (plan_id, name, amount)
SELECT p.id, 'core.webhooks', l.amount
FROM (VALUES ('free', 1::bigint), ('pro', 5), ('premium', 10), ('enterprise', 50)) AS l (slug, amount)
JOIN core.plan AS p USING (slug);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.webhook', 'workspace_id', 'technical', 'service', 'omit', 'delete', 'workspace', NULL),
('core.webhook', 'id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('core.webhook', 'created_at', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('core.webhook', 'disabled_at', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('core.webhook', 'failing_since', 'technical', 'service', 'omit', 'delete', 'workspace', NULL),
('core.webhook', 'resting_until', 'technical', 'service', 'omit', 'delete', 'workspace', NULL),
('core.webhook', 'previous_until', 'technical', 'service', 'omit', 'delete', 'workspace', NULL),
('core.webhook', 'disabled_reason', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('core.webhook', 'url', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('core.webhook', 'description', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('core.webhook', 'kinds', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('core.webhook', 'secret', 'secret', 'security', 'omit', 'delete', 'workspace', NULL),
('core.webhook', 'previous_secret', 'secret', 'security', 'omit', 'delete', 'workspace', NULL);
