-- Why:      second product: the risk of a URL is judged once it was fetched, and what is paid for it is held until then.
-- Change:   schema scans; scans.scan; a limit in every plan on what is scanned in a month.
-- Locks:    SHARE ROW EXCLUSIVE on core.workspace, core.account and core.reservation while the foreign keys are added.
-- Data:     a limit for each plan, and the rows of the inventory.
-- Old code: nothing reads it yet.
-- Rollback: drops every scan.
-- depends: 20261123_45_pre_core_delete_workspace 20261122_30_pre_core_create_ledger 20261122_31_pre_core_create_usage_counter 20261122_55_pre_core_classify_columns

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE SCHEMA scans;

COMMENT ON SCHEMA scans IS 'URL risk scanner. No content of a page is ever stored.';

GRANT USAGE ON SCHEMA scans TO fivefold_api, fivefold_worker;

-- allow prefer-bigint-over-int: version and attempt count the steps of one scan.
CREATE TABLE scans.scan (
    workspace_id   uuid        NOT NULL CONSTRAINT scan_workspace_id_fkey REFERENCES core.workspace (id),
    id             uuid        NOT NULL,
    account_id     uuid        NOT NULL CONSTRAINT scan_account_id_fkey REFERENCES core.account (id),
    reservation_id uuid        NOT NULL,
    job_id         bigint,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    started_at     timestamptz,
    lease_until    timestamptz,
    deadline_at    timestamptz NOT NULL,
    finished_at    timestamptz,
    version        integer     NOT NULL DEFAULT 1,
    attempt        integer     NOT NULL DEFAULT 0 CONSTRAINT scan_attempt_not_negative CHECK (attempt >= 0),
    state          text        NOT NULL DEFAULT 'QUEUED' CONSTRAINT scan_state_known
        CHECK (state IN ('QUEUED', 'FETCHING', 'ANALYZING', 'COMPLETED', 'FAILED', 'TIMED_OUT')),
    previous_state text,
    failure        text        CONSTRAINT scan_failure_form CHECK (failure ~ '^[A-Z][A-Z_]{1,39}$'),
    visibility     text        NOT NULL DEFAULT 'PRIVATE' CONSTRAINT scan_visibility_known
        CHECK (visibility IN ('PRIVATE', 'UNLISTED', 'PUBLIC')),
    host           text        NOT NULL CONSTRAINT scan_host_length CHECK (length(host) BETWEEN 1 AND 255),
    masked_url     text        NOT NULL CONSTRAINT scan_masked_url_length CHECK (length(masked_url) BETWEEN 1 AND 8192),
    has_secrets    boolean     NOT NULL,
    url_hash       bytea       NOT NULL CONSTRAINT scan_url_hash_length CHECK (octet_length(url_hash) = 32),
    url_sealed     bytea       NOT NULL CONSTRAINT scan_url_sealed_length CHECK (octet_length(url_sealed) BETWEEN 46 AND 8237),
    CONSTRAINT scan_pkey PRIMARY KEY (workspace_id, id),
    CONSTRAINT scan_reservation_fkey FOREIGN KEY (workspace_id, reservation_id) REFERENCES core.reservation (workspace_id, id),
    -- What follows what; whatever is final stays so.
    CONSTRAINT scan_transition_allowed CHECK (
        CASE previous_state
            WHEN 'QUEUED' THEN state IN ('FETCHING', 'FAILED')
            WHEN 'FETCHING' THEN state IN ('ANALYZING', 'FAILED', 'TIMED_OUT')
            WHEN 'ANALYZING' THEN state IN ('COMPLETED', 'FAILED', 'TIMED_OUT')
            ELSE previous_state IS NULL AND state = 'QUEUED'
        END),
    CONSTRAINT scan_finished_has_time CHECK ((state IN ('COMPLETED', 'FAILED', 'TIMED_OUT')) = (finished_at IS NOT NULL)),
    CONSTRAINT scan_failed_has_failure CHECK ((state IN ('FAILED', 'TIMED_OUT')) = (failure IS NOT NULL)),
    CONSTRAINT scan_running_has_lease CHECK ((state IN ('FETCHING', 'ANALYZING')) = (lease_until IS NOT NULL)),
    CONSTRAINT scan_secret_is_not_public CHECK (NOT has_secrets OR visibility <> 'PUBLIC')
);

-- What is asked for: a person's, one URL's history, a host's, and what is not finished yet.
CREATE INDEX scan_account_id_id_idx ON scans.scan (account_id, id);
CREATE INDEX scan_workspace_id_url_hash_id_idx ON scans.scan (workspace_id, url_hash, id);
CREATE INDEX scan_workspace_id_host_id_idx ON scans.scan (workspace_id, host, id);
CREATE INDEX scan_open_idx ON scans.scan (workspace_id, id) WHERE state IN ('QUEUED', 'FETCHING', 'ANALYZING');

COMMENT ON TABLE scans.scan IS 'owned. A URL that is to be judged, and how far that is.';
COMMENT ON COLUMN scans.scan.reservation_id IS 'What it costs: settled when it is completed, released when it is not.';
COMMENT ON COLUMN scans.scan.job_id IS 'Which job works on it: the same job once more means that the worker before was lost.';
COMMENT ON COLUMN scans.scan.lease_until IS 'Until then nobody else takes it.';
COMMENT ON COLUMN scans.scan.deadline_at IS 'From then on it is given up: when it waits, because nobody took it; when it runs, because it takes too long.';
COMMENT ON COLUMN scans.scan.version IS 'Counts changes from 1: who changes it must have seen the last.';
COMMENT ON COLUMN scans.scan.attempt IS 'How often a worker has taken it.';
COMMENT ON COLUMN scans.scan.previous_state IS 'The state before the last one, written by the trigger, so that a constraint can tell what may follow what.';
COMMENT ON COLUMN scans.scan.failure IS 'Why it failed or timed out, as a word of the code.';
COMMENT ON COLUMN scans.scan.masked_url IS 'The URL without what might be secret in it.';
COMMENT ON COLUMN scans.scan.has_secrets IS 'Whether something in it was recognized as secret: it can never be public then.';
COMMENT ON COLUMN scans.scan.url_hash IS 'HMAC-SHA-256 of the canonical URL with a key of the workspace.';
COMMENT ON COLUMN scans.scan.url_sealed IS 'The canonical URL, sealed with the workspace''s data key; see app/kit/vault.py.';

-- What a statement cannot do: forget what was before, count as it likes, or make it the scan of another URL.
CREATE FUNCTION scans.step_scan() RETURNS trigger
LANGUAGE plpgsql
SET search_path = ''
AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.previous_state := NULL;
        NEW.version := 1;
        RETURN NEW;
    END IF;
    IF (NEW.workspace_id, NEW.id, NEW.account_id, NEW.reservation_id, NEW.url_hash, NEW.host, NEW.has_secrets)
        IS DISTINCT FROM (OLD.workspace_id, OLD.id, OLD.account_id, OLD.reservation_id, OLD.url_hash, OLD.host, OLD.has_secrets)
    THEN
        RAISE EXCEPTION 'a scan stays that of its URL' USING ERRCODE = 'insufficient_privilege';
    END IF;
    NEW.previous_state := CASE WHEN NEW.state = OLD.state THEN OLD.previous_state ELSE OLD.state END;
    NEW.version := OLD.version + 1;
    NEW.updated_at := now();
    RETURN NEW;
END
$$;

REVOKE ALL ON FUNCTION scans.step_scan() FROM PUBLIC;

CREATE TRIGGER step BEFORE INSERT OR UPDATE ON scans.scan
FOR EACH ROW EXECUTE FUNCTION scans.step_scan();
ALTER TABLE scans.scan ENABLE ALWAYS TRIGGER step;
CREATE TRIGGER require_member BEFORE INSERT OR UPDATE OF workspace_id, account_id ON scans.scan
FOR EACH ROW EXECUTE FUNCTION core.require_member();
ALTER TABLE scans.scan ENABLE ALWAYS TRIGGER require_member;

ALTER TABLE scans.scan ENABLE ROW LEVEL SECURITY;
ALTER TABLE scans.scan FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON scans.scan TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
-- As the system the worker finds the workspaces in which something waits, and nothing else.
CREATE POLICY worker_open ON scans.scan FOR SELECT TO fivefold_worker
USING (
    (SELECT core.current_workspace_id()) = (SELECT core.system_workspace_id())
    AND state IN ('QUEUED', 'FETCHING', 'ANALYZING')
);
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON scans.scan TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT, INSERT ON scans.scan TO fivefold_api, fivefold_worker;
GRANT UPDATE (visibility) ON scans.scan TO fivefold_api;
GRANT UPDATE (state, job_id, started_at, lease_until, deadline_at, finished_at, attempt, failure) ON scans.scan TO fivefold_worker;

-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_insert AFTER INSERT ON scans.scan REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,account_id,reservation_id,state,visibility,version');
CREATE TRIGGER audit_update AFTER UPDATE ON scans.scan REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,state,visibility,attempt,failure,version');
CREATE TRIGGER audit_delete AFTER DELETE ON scans.scan REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,state,visibility,version');
ALTER TABLE scans.scan ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE scans.scan ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE scans.scan ENABLE ALWAYS TRIGGER audit_delete;

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('scans.scan', 'workspace_id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.scan', 'id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.scan', 'account_id', 'identifier', 'service', 'include', 'delete', 'workspace', NULL),
('scans.scan', 'reservation_id', 'technical', 'billing', 'include', 'delete', 'workspace', NULL),
('scans.scan', 'job_id', 'technical', 'operation', 'omit', 'delete', 'workspace', 'Names a job of a worker.'),
('scans.scan', 'created_at', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.scan', 'updated_at', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.scan', 'started_at', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.scan', 'lease_until', 'technical', 'operation', 'omit', 'delete', 'workspace', 'Says until when a worker has it.'),
('scans.scan', 'deadline_at', 'technical', 'operation', 'omit', 'delete', 'workspace', 'Says until when a worker has time.'),
('scans.scan', 'finished_at', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.scan', 'version', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.scan', 'attempt', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.scan', 'state', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('scans.scan', 'previous_state', 'technical', 'service', 'omit', 'delete', 'workspace', 'Serves a constraint.'),
('scans.scan', 'failure', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('scans.scan', 'visibility', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('scans.scan', 'host', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('scans.scan', 'masked_url', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('scans.scan', 'has_secrets', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('scans.scan', 'url_hash', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.scan', 'url_sealed', 'sensitive', 'service', 'include', 'delete', 'workspace', NULL);

INSERT INTO core.plan_limit (plan_id, name, amount, period)
SELECT p.id, 'scans.scans', l.amount, 'month'
FROM (VALUES ('free', 2000::bigint), ('pro', 20000), ('premium', 200000), ('enterprise', NULL)) AS l (slug, amount)
JOIN core.plan AS p USING (slug);
