SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DELETE FROM core.plan_limit AS l
WHERE l.name = 'scans.monitor_daily_scans';

-- allow require-concurrent-index-creation: as in the migration.
CREATE INDEX scan_result_workspace_id_content_hash_idx ON scans.scan_result (workspace_id, content_hash)
WHERE content_hash IS NOT NULL;
-- allow require-concurrent-index-creation: as above.
CREATE INDEX scan_result_workspace_id_favicon_hash_idx ON scans.scan_result (workspace_id, favicon_hash)
WHERE favicon_hash IS NOT NULL;
-- allow require-concurrent-index-creation: as above.
CREATE INDEX scan_result_workspace_id_certificate_hash_idx ON scans.scan_result (workspace_id, certificate_hash)
WHERE certificate_hash IS NOT NULL;

DROP INDEX scans.scan_result_workspace_id_content_hash_scan_id_idx;
DROP INDEX scans.scan_result_workspace_id_favicon_hash_scan_id_idx;
DROP INDEX scans.scan_result_workspace_id_certificate_hash_scan_id_idx;
DROP INDEX scans.access_workspace_id_address_scan_id_idx;
DROP INDEX scans.scan_ended_idx;
