SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

ALTER TABLE scans.engine_verdict ALTER CONSTRAINT engine_verdict_scan_result_fkey ENFORCED;

DROP TRIGGER require_scan_result ON scans.engine_verdict;
DROP TRIGGER keep_key ON scans.engine_verdict;
DROP TRIGGER keep_scan_result ON scans.scan_result;
DROP TRIGGER keep_key ON scans.scan_result;
-- allow ban-drop-function: no trigger calls it any more.
DROP FUNCTION scans.require_scan_result();
-- allow ban-drop-function: as above.
DROP FUNCTION scans.keep_scan_result();
-- allow ban-drop-function: as above.
DROP FUNCTION scans.keep_key();
