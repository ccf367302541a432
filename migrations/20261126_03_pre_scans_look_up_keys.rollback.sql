SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow require-concurrent-index-creation: as in the migration.
CREATE INDEX access_workspace_id_scan_id_id_idx_old ON scans.access (workspace_id, scan_id, id);
-- allow require-concurrent-index-creation: as above.
CREATE INDEX access_workspace_id_url_hash_idx_old ON scans.access (workspace_id, url_hash);
-- allow require-concurrent-index-creation: as above.
CREATE INDEX scan_workspace_id_url_hash_id_idx_old ON scans.scan (workspace_id, url_hash, id);
-- allow require-concurrent-index-creation: as above.
CREATE INDEX scan_workspace_id_host_id_idx_old ON scans.scan (workspace_id, host, id);

-- allow require-concurrent-index-deletion: as above.
DROP INDEX scans.access_workspace_id_scan_id_id_idx;
-- allow renaming-object: no statement names an index.
ALTER INDEX scans.access_workspace_id_scan_id_id_idx_old RENAME TO access_workspace_id_scan_id_id_idx;
-- allow require-concurrent-index-deletion: as above.
DROP INDEX scans.access_workspace_id_url_hash_idx;
-- allow renaming-object: as above.
ALTER INDEX scans.access_workspace_id_url_hash_idx_old RENAME TO access_workspace_id_url_hash_idx;
-- allow require-concurrent-index-deletion: as above.
DROP INDEX scans.scan_workspace_id_url_hash_id_idx;
-- allow renaming-object: as above.
ALTER INDEX scans.scan_workspace_id_url_hash_id_idx_old RENAME TO scan_workspace_id_url_hash_id_idx;
-- allow require-concurrent-index-deletion: as above.
DROP INDEX scans.scan_workspace_id_host_id_idx;
-- allow renaming-object: as above.
ALTER INDEX scans.scan_workspace_id_host_id_idx_old RENAME TO scan_workspace_id_host_id_idx;
