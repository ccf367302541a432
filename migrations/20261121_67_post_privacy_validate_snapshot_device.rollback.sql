SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow ban-drop-constraint: the next statement makes it again; a valid key cannot be made invalid.
ALTER TABLE privacy.snapshot DROP CONSTRAINT snapshot_device_fkey;
ALTER TABLE privacy.snapshot
ADD CONSTRAINT snapshot_device_fkey FOREIGN KEY (workspace_id, device_id) REFERENCES core.device (workspace_id, id) NOT VALID;
