SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE OR REPLACE TRIGGER audit_insert AFTER INSERT ON privacy.snapshot REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'link_id,template_id,sha256:packed,sha256:observed');
CREATE OR REPLACE TRIGGER audit_delete AFTER DELETE ON privacy.snapshot REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'link_id,template_id,sha256:packed,sha256:observed');
ALTER TABLE privacy.snapshot ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE privacy.snapshot ENABLE ALWAYS TRIGGER audit_delete;

CREATE OR REPLACE TRIGGER audit_insert AFTER INSERT ON privacy.platform_link REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,account_id,platform_id,label,status,unlink_reason');
CREATE OR REPLACE TRIGGER audit_update AFTER UPDATE ON privacy.platform_link REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,account_id,platform_id,label,status,unlink_reason,signed_since,frequency,scan_minute,weekday,stopped_at');
CREATE OR REPLACE TRIGGER audit_delete AFTER DELETE ON privacy.platform_link REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,account_id,platform_id,label,status,unlink_reason');
ALTER TABLE privacy.platform_link ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE privacy.platform_link ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE privacy.platform_link ENABLE ALWAYS TRIGGER audit_delete;

SET LOCAL ROLE fivefold_definer;
-- allow ban-drop-function: no trigger calls it any more.
DROP FUNCTION core.audit_privacy_snapshot();
-- allow ban-drop-function: as above.
DROP FUNCTION core.audit_privacy_platform_link();
SET LOCAL ROLE fivefold_owner;
