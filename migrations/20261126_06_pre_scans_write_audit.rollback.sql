SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE OR REPLACE TRIGGER audit_insert AFTER INSERT ON scans.scan REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,account_id,reservation_id,state,visibility,version');
CREATE OR REPLACE TRIGGER audit_update AFTER UPDATE ON scans.scan REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,state,visibility,attempt,failure,version');
CREATE OR REPLACE TRIGGER audit_delete AFTER DELETE ON scans.scan REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,state,visibility,version');
ALTER TABLE scans.scan ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE scans.scan ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE scans.scan ENABLE ALWAYS TRIGGER audit_delete;

CREATE OR REPLACE TRIGGER audit_insert AFTER INSERT ON scans.access REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'scan_id,address,port,milliseconds,seq,status,trial,kind,failure,sha256:masked_url,sha256:url_hash,sha256:content_sha256,sha256:certificate_sha256');
CREATE OR REPLACE TRIGGER audit_delete AFTER DELETE ON scans.access REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'scan_id,seq');
ALTER TABLE scans.access ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE scans.access ENABLE ALWAYS TRIGGER audit_delete;

CREATE OR REPLACE TRIGGER audit_insert AFTER INSERT ON scans.access_outcome REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'access_id', 'milliseconds,status,failure,sha256:content_sha256,sha256:certificate_sha256');
CREATE OR REPLACE TRIGGER audit_delete AFTER DELETE ON scans.access_outcome REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'access_id', 'access_id');
ALTER TABLE scans.access_outcome ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE scans.access_outcome ENABLE ALWAYS TRIGGER audit_delete;

CREATE OR REPLACE TRIGGER audit_insert AFTER INSERT ON scans.scan_result REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'scan_id', 'scan_id,verdict,score,weights_version,sha256:content_hash');
CREATE OR REPLACE TRIGGER audit_update AFTER UPDATE ON scans.scan_result REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'scan_id', 'scan_id,verdict,score,weights_version,sha256:content_hash');
CREATE OR REPLACE TRIGGER audit_delete AFTER DELETE ON scans.scan_result REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'scan_id', 'scan_id,verdict,score,weights_version');
ALTER TABLE scans.scan_result ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE scans.scan_result ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE scans.scan_result ENABLE ALWAYS TRIGGER audit_delete;

SET LOCAL ROLE fivefold_definer;
-- allow ban-drop-function: no trigger calls it any more.
DROP FUNCTION core.audit_scans_scan();
-- allow ban-drop-function: as above.
DROP FUNCTION core.audit_scans_access();
-- allow ban-drop-function: as above.
DROP FUNCTION core.audit_scans_access_outcome();
-- allow ban-drop-function: as above.
DROP FUNCTION core.audit_scans_scan_result();
SET LOCAL ROLE fivefold_owner;
