-- Why:      a link that has taken a signed scan takes no unsigned one, and a snapshot names the device that signed it.
-- Change:   privacy.platform_link.signed_since, audited; privacy.snapshot.device_id with its foreign key, checked for new rows.
-- Locks:    ACCESS EXCLUSIVE on privacy.platform_link and privacy.snapshot, SHARE ROW EXCLUSIVE on core.device, for a moment: nothing is read or rewritten.
-- Data:     no rows are written; a row that has no device pays no byte.
-- Old code: leaves both columns NULL: it takes unsigned scans as before, of links that refuse them too.
-- Rollback: forgets which scans were signed, and by which device.
-- depends: 20261121_65_pre_core_create_device 20261120_25_pre_privacy_create_snapshot

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

ALTER TABLE privacy.platform_link ADD COLUMN signed_since timestamptz;
COMMENT ON COLUMN privacy.platform_link.signed_since IS 'Since when only signed scans are taken; NULL while unsigned ones are too.';
GRANT UPDATE (signed_since) ON privacy.platform_link TO fivefold_api;

ALTER TABLE privacy.snapshot ADD COLUMN device_id uuid;
COMMENT ON COLUMN privacy.snapshot.device_id IS 'Whose signature was verified when it arrived. The signature itself is not kept.';
ALTER TABLE privacy.snapshot
ADD CONSTRAINT snapshot_device_fkey FOREIGN KEY (workspace_id, device_id) REFERENCES core.device (workspace_id, id) NOT VALID;

-- Who lets unsigned scans in again is told. An insert tells nothing new: a link begins without.
CREATE OR REPLACE TRIGGER audit_update AFTER UPDATE ON privacy.platform_link REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,account_id,platform_id,label,status,unlink_reason,signed_since');
ALTER TABLE privacy.platform_link ENABLE ALWAYS TRIGGER audit_update;
