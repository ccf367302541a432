-- Why:      these tables are written most, so their audit is worth a function of their own.
-- Change:   the audit triggers of scans.scan, scans.access, scans.access_outcome and scans.scan_result call functions that core.write_audit() writes.
-- Locks:    SHARE ROW EXCLUSIVE on scans.scan, scans.access, scans.access_outcome and scans.scan_result for a moment.
-- Data:     none.
-- Old code: goes on: what is told is the same.
-- Rollback: the triggers call core.record_audit() again.
-- depends: 20261126_05_pre_privacy_write_audit 20261125_03_pre_scans_create_access_outcome 20261124_30_pre_scans_create_scan_result

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

SELECT core.write_audit('scans.scan');
SELECT core.write_audit('scans.access');
SELECT core.write_audit('scans.access_outcome');
SELECT core.write_audit('scans.scan_result');

CREATE OR REPLACE TRIGGER audit_insert AFTER INSERT ON scans.scan REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.audit_scans_scan('workspace_id', 'id', 'id,account_id,reservation_id,state,visibility,version');
CREATE OR REPLACE TRIGGER audit_update AFTER UPDATE ON scans.scan REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.audit_scans_scan('workspace_id', 'id', 'id,state,visibility,attempt,failure,version');
CREATE OR REPLACE TRIGGER audit_delete AFTER DELETE ON scans.scan REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.audit_scans_scan('workspace_id', 'id', 'id,state,visibility,version');
ALTER TABLE scans.scan ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE scans.scan ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE scans.scan ENABLE ALWAYS TRIGGER audit_delete;

CREATE OR REPLACE TRIGGER audit_insert AFTER INSERT ON scans.access REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.audit_scans_access('workspace_id', 'id', 'scan_id,address,port,milliseconds,seq,status,trial,kind,failure,sha256:masked_url,sha256:url_hash,sha256:content_sha256,sha256:certificate_sha256');
CREATE OR REPLACE TRIGGER audit_delete AFTER DELETE ON scans.access REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.audit_scans_access('workspace_id', 'id', 'scan_id,seq');
ALTER TABLE scans.access ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE scans.access ENABLE ALWAYS TRIGGER audit_delete;

CREATE OR REPLACE TRIGGER audit_insert AFTER INSERT ON scans.access_outcome REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.audit_scans_access_outcome('workspace_id', 'access_id', 'milliseconds,status,failure,sha256:content_sha256,sha256:certificate_sha256');
CREATE OR REPLACE TRIGGER audit_delete AFTER DELETE ON scans.access_outcome REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.audit_scans_access_outcome('workspace_id', 'access_id', 'access_id');
ALTER TABLE scans.access_outcome ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE scans.access_outcome ENABLE ALWAYS TRIGGER audit_delete;

CREATE OR REPLACE TRIGGER audit_insert AFTER INSERT ON scans.scan_result REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.audit_scans_scan_result('workspace_id', 'scan_id', 'scan_id,verdict,score,weights_version,sha256:content_hash');
CREATE OR REPLACE TRIGGER audit_update AFTER UPDATE ON scans.scan_result REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.audit_scans_scan_result('workspace_id', 'scan_id', 'scan_id,verdict,score,weights_version,sha256:content_hash');
CREATE OR REPLACE TRIGGER audit_delete AFTER DELETE ON scans.scan_result REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.audit_scans_scan_result('workspace_id', 'scan_id', 'scan_id,verdict,score,weights_version');
ALTER TABLE scans.scan_result ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE scans.scan_result ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE scans.scan_result ENABLE ALWAYS TRIGGER audit_delete;
