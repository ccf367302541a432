SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DELETE FROM core.data_inventory WHERE object IN ('scans.retention', 'scans.purged_scan');

DROP FUNCTION scans.list_purgeable(timestamptz, uuid, bigint);
DROP FUNCTION scans.purge_scan(timestamptz, integer);
DROP FUNCTION scans.oldest_kept(uuid, timestamptz);

COMMENT ON COLUMN scans.access.scan_id IS NULL;
-- allow adding-foreign-key-constraint: as in the migration.
-- allow constraint-missing-not-valid: as above.
ALTER TABLE scans.access ADD CONSTRAINT access_scan_fkey FOREIGN KEY (workspace_id, scan_id) REFERENCES scans.scan (workspace_id, id);
ALTER TABLE scans.access DROP CONSTRAINT access_workspace_id_fkey;

DROP TABLE scans.purged_scan;
DROP TABLE scans.retention;
