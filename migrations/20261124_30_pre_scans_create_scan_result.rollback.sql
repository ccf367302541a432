SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DROP TABLE scans.scan_result;
DROP FUNCTION scans.holds_headers_only(jsonb);
DELETE FROM core.data_inventory AS i
WHERE i.object = 'scans.scan_result';
