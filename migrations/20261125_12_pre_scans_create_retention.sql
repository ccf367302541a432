-- Why:      a workspace says how long its scans are kept; what is older goes with all that came of it, the log of accesses apart.
-- Change:   scans.retention, scans.purged_scan, scans.purge_scan(), scans.list_purgeable(); an access belongs to its workspace, and
--           names its scan without a foreign key.
-- Locks:    SHARE ROW EXCLUSIVE on core.workspace; ACCESS EXCLUSIVE on scans.access and scans.scan for a moment.
-- Data:     the rows of the inventory, and what it says of how long scans are kept; where nothing is chosen, a year.
-- Old code: asks for nothing to be purged.
-- Rollback: drops what was chosen, and what was left of scans; fails where accesses outlived their scans.
-- depends: 20261125_11_pre_scans_ask_for_pages 20261125_03_pre_scans_create_access_outcome 20261124_20_pre_scans_create_access 20261124_42_pre_scans_create_monitor 20261124_41_pre_scans_create_publication

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE scans.retention (
    workspace_id uuid NOT NULL CONSTRAINT retention_pkey PRIMARY KEY CONSTRAINT retention_workspace_id_fkey REFERENCES core.workspace (id),
    keep         text NOT NULL CONSTRAINT retention_scans_keep_known CHECK (keep IN ('THIRTY_DAYS', 'NINETY_DAYS', 'ONE_YEAR', 'FOREVER'))
);

COMMENT ON TABLE scans.retention IS 'owned. How long a workspace keeps its scans; ONE_YEAR without a row.';

CREATE TABLE scans.purged_scan (
    workspace_id uuid        NOT NULL CONSTRAINT purged_scan_workspace_id_fkey REFERENCES core.workspace (id),
    id           uuid        NOT NULL,
    finished_at  timestamptz NOT NULL,
    purged_at    timestamptz NOT NULL DEFAULT now(),
    state        text        NOT NULL CONSTRAINT purged_scan_state_known
        CHECK (state IN ('QUEUED', 'FETCHING', 'ANALYZING', 'COMPLETED', 'FAILED', 'TIMED_OUT')),
    CONSTRAINT purged_scan_pkey PRIMARY KEY (workspace_id, id),
    CONSTRAINT purged_scan_state_final CHECK (state IN ('COMPLETED', 'FAILED', 'TIMED_OUT'))
);

COMMENT ON TABLE scans.purged_scan IS 'owned. What is left of a scan that was purged: that it was, and how it ended. Not audited: the deletion is.';

ALTER TABLE scans.retention ENABLE ROW LEVEL SECURITY;
ALTER TABLE scans.retention FORCE ROW LEVEL SECURITY;
ALTER TABLE scans.purged_scan ENABLE ROW LEVEL SECURITY;
ALTER TABLE scans.purged_scan FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON scans.retention TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
CREATE POLICY tenant ON scans.purged_scan TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON scans.retention TO fivefold_owner USING (true) WITH CHECK (true);
-- allow always-true-policy: as above.
CREATE POLICY owner ON scans.purged_scan TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT, INSERT ON scans.retention TO fivefold_api;
GRANT UPDATE (keep) ON scans.retention TO fivefold_api;
GRANT SELECT ON scans.purged_scan TO fivefold_api;

-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_insert AFTER INSERT ON scans.retention REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'workspace_id', 'keep');
CREATE TRIGGER audit_update AFTER UPDATE ON scans.retention REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'workspace_id', 'keep');
CREATE TRIGGER audit_delete AFTER DELETE ON scans.retention REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'workspace_id', 'keep');
ALTER TABLE scans.retention ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE scans.retention ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE scans.retention ENABLE ALWAYS TRIGGER audit_delete;

-- What was touched is told for longer than what came of it.
-- allow adding-foreign-key-constraint: the table came in the same release, so it is empty or nearly.
-- allow constraint-missing-not-valid: as above.
ALTER TABLE scans.access ADD CONSTRAINT access_workspace_id_fkey FOREIGN KEY (workspace_id) REFERENCES core.workspace (id);
-- allow ban-drop-constraint: see above; the id stays, and what is left of the scan is found by it.
ALTER TABLE scans.access DROP CONSTRAINT access_scan_fkey;

COMMENT ON COLUMN scans.access.scan_id IS 'Its scan, or what is left of that: see scans.purged_scan.';

-- The moment from which on a workspace keeps its scans; NULL where it keeps all.
CREATE FUNCTION scans.oldest_kept(workspace_id uuid, moment timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE
SET search_path = ''
RETURN oldest_kept.moment - CASE coalesce(
    (SELECT r.keep FROM scans.retention AS r WHERE r.workspace_id = oldest_kept.workspace_id), 'ONE_YEAR')
    WHEN 'THIRTY_DAYS' THEN interval '30 days'
    WHEN 'NINETY_DAYS' THEN interval '90 days'
    WHEN 'ONE_YEAR' THEN interval '365 days'
END;

REVOKE ALL ON FUNCTION scans.oldest_kept(uuid, timestamptz) FROM PUBLIC;

-- What the caller's workspace keeps no longer goes, the oldest first; how many scans that were. No login may delete any itself.
CREATE FUNCTION scans.purge_scan(moment timestamptz, max_rows integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ''
AS $$
DECLARE
    whose uuid := core.current_workspace_id();
    old   uuid[];
BEGIN
    SELECT coalesce(array_agg(o.id), '{}')
    INTO old
    FROM (
        SELECT s.id
        FROM scans.scan AS s
        WHERE s.workspace_id = whose
            AND s.id < core.uuidv7_floor(scans.oldest_kept(whose, least(purge_scan.moment, now())))
            AND s.finished_at IS NOT NULL
            AND NOT EXISTS (
                SELECT
                FROM scans.monitor AS m
                WHERE m.workspace_id = s.workspace_id
                    AND (m.latest_scan_id = s.id OR m.pending_scan_id = s.id)
            )
            AND NOT EXISTS (
                SELECT
                FROM scans.dispute AS d
                WHERE d.workspace_id = s.workspace_id
                    AND d.scan_id = s.id
                    AND d.state = 'OPEN'
            )
        ORDER BY s.id
        LIMIT purge_scan.max_rows
        FOR UPDATE SKIP LOCKED
    ) AS o;
    INSERT INTO scans.purged_scan (workspace_id, id, finished_at, state)
    SELECT s.workspace_id, s.id, s.finished_at, s.state
    FROM scans.scan AS s
    WHERE s.workspace_id = whose
        AND s.id = ANY (old);
    DELETE FROM scans.indicator AS i WHERE i.workspace_id = whose AND i.scan_id = ANY (old);
    DELETE FROM scans.engine_verdict AS v WHERE v.workspace_id = whose AND v.scan_id = ANY (old);
    DELETE FROM scans.scan_result AS r WHERE r.workspace_id = whose AND r.scan_id = ANY (old);
    -- What was published of them and disputes that are decided go along, by their foreign keys.
    DELETE FROM scans.scan AS s WHERE s.workspace_id = whose AND s.id = ANY (old);
    RETURN cardinality(old);
END
$$;

REVOKE ALL ON FUNCTION scans.purge_scan(timestamptz, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION scans.purge_scan(timestamptz, integer) TO fivefold_worker;

-- The next workspaces in which something is older than it is kept, in the order of their ids. The worker sees no scans across
-- workspaces that are finished; this tells it who has some to purge, and nothing else.
CREATE FUNCTION scans.list_purgeable(moment timestamptz, after_id uuid, most bigint) RETURNS TABLE (workspace_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    SELECT w.id
    FROM core.workspace AS w
    CROSS JOIN LATERAL (SELECT core.uuidv7_floor(scans.oldest_kept(w.id, list_purgeable.moment)) AS bound) AS kept
    WHERE w.id > list_purgeable.after_id
        AND EXISTS (
            SELECT
            FROM scans.scan AS s
            WHERE s.workspace_id = w.id
                AND s.id < kept.bound
                AND s.finished_at IS NOT NULL
                AND NOT EXISTS (
                SELECT
                FROM scans.monitor AS m
                WHERE m.workspace_id = s.workspace_id
                    AND (m.latest_scan_id = s.id OR m.pending_scan_id = s.id)
            )
            AND NOT EXISTS (
                SELECT
                FROM scans.dispute AS d
                WHERE d.workspace_id = s.workspace_id
                    AND d.scan_id = s.id
                    AND d.state = 'OPEN'
            )
        )
    ORDER BY w.id
    LIMIT list_purgeable.most;
END;

REVOKE ALL ON FUNCTION scans.list_purgeable(timestamptz, uuid, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION scans.list_purgeable(timestamptz, uuid, bigint) TO fivefold_worker;

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('scans.retention', 'workspace_id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.retention', 'keep', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('scans.purged_scan', 'workspace_id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.purged_scan', 'id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.purged_scan', 'finished_at', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.purged_scan', 'purged_at', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.purged_scan', 'state', 'personal', 'service', 'include', 'delete', 'workspace', NULL);
