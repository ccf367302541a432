-- Why:      requests for many scans may overlap, when one is repeated in parts; each scan is told of once, by the request that made it.
-- Change:   scans.scan.batch_id.
-- Locks:    ACCESS EXCLUSIVE on scans.scan for a moment.
-- Data:     a row of the inventory.
-- Old code: writes none, and tells of what it made; what is under way at that moment is told by neither.
-- Rollback: drops the column.
-- depends: 20261126_11_pre_scans_create_publication_address 20261124_01_pre_scans_create_scan

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

ALTER TABLE scans.scan ADD COLUMN batch_id uuid;

COMMENT ON COLUMN scans.scan.batch_id IS 'The request for many that made it, by a hash of its idempotency keys; NULL where it was asked for alone.';

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('scans.scan', 'batch_id', 'technical', 'service', 'include', 'delete', 'workspace', NULL);
