-- Why:      the check of a foreign key looks for a row by tenant and id. Planned while a table was young, it read all rows of the tenant
--           by another index that begins with the tenant as well, for as long as its connection lived.
-- Change:   such indexes of scans.access and scans.scan serve only who asks for their second column.
-- Locks:    SHARE on scans.access and scans.scan while the indexes are built, ACCESS EXCLUSIVE for a moment when those before go.
-- Data:     no rows are written.
-- Old code: its statements name the second column, or use the key.
-- Rollback: the indexes as they were.
-- depends: 20261126_02_pre_privacy_look_up_keys 20261124_20_pre_scans_create_access 20261124_01_pre_scans_create_scan

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- Who compares the second column has said that it is not NULL; who looks by the key has not, so the index is none for him.
-- allow require-concurrent-index-creation: a name must not be without its index, nor the other way round; tables are small before the first release.
CREATE INDEX access_workspace_id_scan_id_id_idx_new ON scans.access (workspace_id, scan_id, id) WHERE scan_id IS NOT NULL;
-- allow require-concurrent-index-creation: as above.
CREATE INDEX access_workspace_id_url_hash_idx_new ON scans.access (workspace_id, url_hash) WHERE url_hash IS NOT NULL;
-- allow require-concurrent-index-creation: as above.
CREATE INDEX scan_workspace_id_url_hash_id_idx_new ON scans.scan (workspace_id, url_hash, id) WHERE url_hash IS NOT NULL;
-- allow require-concurrent-index-creation: as above.
CREATE INDEX scan_workspace_id_host_id_idx_new ON scans.scan (workspace_id, host, id) WHERE host IS NOT NULL;

-- allow require-concurrent-index-deletion: as above.
DROP INDEX scans.access_workspace_id_scan_id_id_idx;
-- allow renaming-object: no statement names an index.
ALTER INDEX scans.access_workspace_id_scan_id_id_idx_new RENAME TO access_workspace_id_scan_id_id_idx;
-- allow require-concurrent-index-deletion: as above.
DROP INDEX scans.access_workspace_id_url_hash_idx;
-- allow renaming-object: as above.
ALTER INDEX scans.access_workspace_id_url_hash_idx_new RENAME TO access_workspace_id_url_hash_idx;
-- allow require-concurrent-index-deletion: as above.
DROP INDEX scans.scan_workspace_id_url_hash_id_idx;
-- allow renaming-object: as above.
ALTER INDEX scans.scan_workspace_id_url_hash_id_idx_new RENAME TO scan_workspace_id_url_hash_id_idx;
-- allow require-concurrent-index-deletion: as above.
DROP INDEX scans.scan_workspace_id_host_id_idx;
-- allow renaming-object: as above.
ALTER INDEX scans.scan_workspace_id_host_id_idx_new RENAME TO scan_workspace_id_host_id_idx;
