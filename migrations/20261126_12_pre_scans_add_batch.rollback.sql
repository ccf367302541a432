SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DELETE FROM core.data_inventory WHERE object = 'scans.scan' AND column_name = 'batch_id';
ALTER TABLE scans.scan DROP COLUMN batch_id;
