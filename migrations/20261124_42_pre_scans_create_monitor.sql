-- Why:      what was harmless yesterday may not be today: a URL is scanned again by schedule, and people are told what changed.
-- Change:   scans.monitor; the function that finds where something is due; a limit in every plan.
-- Locks:    SHARE ROW EXCLUSIVE on core.workspace, core.account and scans.scan while the foreign keys are added.
-- Data:     a limit for each plan, and the rows of the inventory.
-- Old code: nothing reads it yet.
-- Rollback: drops every monitor; the scans that they asked for stay.
-- depends: 20261124_01_pre_scans_create_scan

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow prefer-bigint-over-smallint: hours of a month.
CREATE TABLE scans.monitor (
    workspace_id    uuid        NOT NULL CONSTRAINT monitor_workspace_id_fkey REFERENCES core.workspace (id),
    id              uuid        NOT NULL,
    account_id      uuid        NOT NULL CONSTRAINT monitor_account_id_fkey REFERENCES core.account (id),
    latest_scan_id  uuid,
    pending_scan_id uuid,
    due_at          timestamptz NOT NULL,
    paused_at       timestamptz,
    interval_hours  smallint    NOT NULL CONSTRAINT monitor_interval_hours_range CHECK (interval_hours BETWEEN 1 AND 720),
    pause_reason    text        CONSTRAINT monitor_pause_reason_known CHECK (pause_reason IN ('ASKED', 'NO_CREDITS', 'LIMIT_REACHED', 'MEMBER_LEFT')),
    host            text        NOT NULL CONSTRAINT monitor_host_length CHECK (length(host) BETWEEN 1 AND 255),
    masked_url      text        NOT NULL CONSTRAINT monitor_masked_url_length CHECK (length(masked_url) BETWEEN 1 AND 2048),
    alert_on        text[]      NOT NULL CONSTRAINT monitor_alert_on_known
        CHECK (alert_on <@ ARRAY['VERDICT', 'SCORE', 'CONTENT', 'CERTIFICATE', 'TARGET'])
        CONSTRAINT monitor_alert_on_given CHECK (alert_on <> '{}'),
    url_hash        bytea       NOT NULL CONSTRAINT monitor_url_hash_length CHECK (octet_length(url_hash) = 32),
    url_sealed      bytea       NOT NULL CONSTRAINT monitor_url_sealed_length CHECK (octet_length(url_sealed) BETWEEN 46 AND 2100),
    CONSTRAINT monitor_pkey PRIMARY KEY (workspace_id, id),
    CONSTRAINT monitor_url_hash_key UNIQUE (workspace_id, url_hash),
    CONSTRAINT monitor_latest_scan_fkey FOREIGN KEY (workspace_id, latest_scan_id) REFERENCES scans.scan (workspace_id, id)
        ON DELETE SET NULL (latest_scan_id),
    CONSTRAINT monitor_pending_scan_fkey FOREIGN KEY (workspace_id, pending_scan_id) REFERENCES scans.scan (workspace_id, id)
        ON DELETE SET NULL (pending_scan_id),
    CONSTRAINT monitor_paused_has_reason CHECK ((paused_at IS NULL) = (pause_reason IS NULL))
);

CREATE INDEX monitor_account_id_id_idx ON scans.monitor (account_id, id);
-- Serve the foreign keys, and the second what was asked for and not looked at yet.
CREATE INDEX monitor_workspace_id_latest_scan_id_idx ON scans.monitor (workspace_id, latest_scan_id);
CREATE INDEX monitor_workspace_id_pending_scan_id_idx ON scans.monitor (workspace_id, pending_scan_id);
CREATE INDEX monitor_due_at_idx ON scans.monitor (due_at) WHERE paused_at IS NULL;

COMMENT ON TABLE scans.monitor IS 'owned. A URL that is scanned again and again.';
COMMENT ON COLUMN scans.monitor.account_id IS 'Who asked for it, and is told.';
COMMENT ON COLUMN scans.monitor.latest_scan_id IS 'The last that completed: what the next is compared with.';
COMMENT ON COLUMN scans.monitor.pending_scan_id IS 'Asked for, and not compared yet.';
COMMENT ON COLUMN scans.monitor.alert_on IS 'What people want to be told.';
COMMENT ON COLUMN scans.monitor.masked_url IS 'The URL without what might be secret in it.';
COMMENT ON COLUMN scans.monitor.url_hash IS 'As of its scans.';
COMMENT ON COLUMN scans.monitor.url_sealed IS 'The canonical URL, sealed with the workspace''s data key; see app/kit/vault.py.';

CREATE TRIGGER require_member BEFORE INSERT OR UPDATE OF workspace_id, account_id ON scans.monitor
FOR EACH ROW EXECUTE FUNCTION core.require_member();
ALTER TABLE scans.monitor ENABLE ALWAYS TRIGGER require_member;

ALTER TABLE scans.monitor ENABLE ROW LEVEL SECURITY;
ALTER TABLE scans.monitor FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON scans.monitor TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON scans.monitor TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, DELETE ON scans.monitor TO fivefold_api;
GRANT UPDATE (due_at, paused_at, interval_hours, pause_reason, alert_on) ON scans.monitor TO fivefold_api;
GRANT SELECT ON scans.monitor TO fivefold_worker;
GRANT UPDATE (latest_scan_id, pending_scan_id, due_at, paused_at, pause_reason) ON scans.monitor TO fivefold_worker;

-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_insert AFTER INSERT ON scans.monitor REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,account_id,interval_hours,alert_on');
CREATE TRIGGER audit_update AFTER UPDATE ON scans.monitor REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,interval_hours,alert_on,paused_at,pause_reason,latest_scan_id,pending_scan_id');
CREATE TRIGGER audit_delete AFTER DELETE ON scans.monitor REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,account_id,interval_hours,alert_on');
ALTER TABLE scans.monitor ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE scans.monitor ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE scans.monitor ENABLE ALWAYS TRIGGER audit_delete;

-- Where something is to be scanned again, or what was scanned is to be compared. The worker sees no monitors across workspaces;
-- this tells it which workspaces, and nothing else.
CREATE FUNCTION scans.list_watchful(moment timestamptz, most bigint) RETURNS TABLE (workspace_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    SELECT DISTINCT m.workspace_id
    FROM scans.monitor AS m
    LEFT JOIN scans.scan AS s ON s.workspace_id = m.workspace_id AND s.id = m.pending_scan_id
    WHERE (m.paused_at IS NULL AND m.pending_scan_id IS NULL AND m.due_at <= list_watchful.moment)
        OR s.state IN ('COMPLETED', 'FAILED', 'TIMED_OUT')
    LIMIT list_watchful.most;
END;

REVOKE ALL ON FUNCTION scans.list_watchful(timestamptz, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION scans.list_watchful(timestamptz, bigint) TO fivefold_worker;

INSERT INTO core.plan_limit (plan_id, name, amount)
SELECT p.id, 'scans.monitors', l.amount
FROM (VALUES ('free', 1::bigint), ('pro', 10), ('premium', 50), ('enterprise', 500)) AS l (slug, amount)
JOIN core.plan AS p USING (slug);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('scans.monitor', 'workspace_id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.monitor', 'id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.monitor', 'account_id', 'identifier', 'service', 'include', 'delete', 'workspace', NULL),
('scans.monitor', 'latest_scan_id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.monitor', 'pending_scan_id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.monitor', 'due_at', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.monitor', 'paused_at', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.monitor', 'interval_hours', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('scans.monitor', 'pause_reason', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.monitor', 'host', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('scans.monitor', 'masked_url', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('scans.monitor', 'alert_on', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('scans.monitor', 'url_hash', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.monitor', 'url_sealed', 'sensitive', 'service', 'include', 'delete', 'workspace', NULL);
