-- Why:      a scan has nine verdicts of engines, and for each of them its result was looked up.
-- Change:   scans.require_scan_result() looks once for all rows of a statement, scans.keep_scan_result() lets no result go that has
--           verdicts; the foreign key says what they enforce.
-- Locks:    ACCESS EXCLUSIVE on scans.engine_verdict and scans.scan_result for a moment.
-- Data:     none.
-- Old code: goes on.
-- Rollback: checks all rows again.
-- depends: 20261126_07_pre_core_check_once 20261124_31_pre_scans_create_engine_verdict

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- As a foreign key does: as the owner, and with a lock, so that no result goes meanwhile.
CREATE FUNCTION scans.require_scan_result() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ''
SET enable_seqscan = off
AS $$
BEGIN
    IF EXISTS (
        SELECT
        FROM (SELECT DISTINCT v.workspace_id, v.scan_id FROM new_rows AS v) AS n
        LEFT JOIN LATERAL (
            SELECT true AS found
            FROM scans.scan_result AS r
            WHERE r.workspace_id = n.workspace_id
                AND r.scan_id = n.scan_id
            FOR KEY SHARE
        ) AS r ON true
        WHERE r.found IS NULL
    ) THEN
        RAISE EXCEPTION 'a verdict is of a result of its workspace' USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION scans.keep_scan_result() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ''
SET enable_seqscan = off
AS $$
BEGIN
    IF EXISTS (
        SELECT
        FROM old_rows AS o
        CROSS JOIN LATERAL (
            SELECT
            FROM scans.engine_verdict AS v
            WHERE v.workspace_id = o.workspace_id
                AND v.scan_id = o.scan_id
            LIMIT 1
        ) AS v
    ) THEN
        RAISE EXCEPTION 'a result has verdicts' USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION scans.keep_key() RETURNS trigger
LANGUAGE plpgsql
SET search_path = ''
AS $$
BEGIN
    RAISE EXCEPTION '%.% stays of its scan', TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$;

REVOKE ALL ON FUNCTION scans.require_scan_result(), scans.keep_scan_result(), scans.keep_key() FROM PUBLIC;

CREATE TRIGGER require_scan_result AFTER INSERT ON scans.engine_verdict REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION scans.require_scan_result();
CREATE TRIGGER keep_key BEFORE UPDATE OF workspace_id, scan_id ON scans.engine_verdict
FOR EACH ROW EXECUTE FUNCTION scans.keep_key();
CREATE TRIGGER keep_scan_result AFTER DELETE ON scans.scan_result REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION scans.keep_scan_result();
CREATE TRIGGER keep_key BEFORE UPDATE OF workspace_id, scan_id ON scans.scan_result
FOR EACH ROW EXECUTE FUNCTION scans.keep_key();
ALTER TABLE scans.engine_verdict ENABLE ALWAYS TRIGGER require_scan_result;
ALTER TABLE scans.engine_verdict ENABLE ALWAYS TRIGGER keep_key;
ALTER TABLE scans.scan_result ENABLE ALWAYS TRIGGER keep_scan_result;
ALTER TABLE scans.scan_result ENABLE ALWAYS TRIGGER keep_key;

-- allow ban-drop-constraint: the triggers above enforce it.
ALTER TABLE scans.engine_verdict ALTER CONSTRAINT engine_verdict_scan_result_fkey NOT ENFORCED;
