-- Why:      these tables are written most, so their audit is worth a function of their own.
-- Change:   the audit triggers of privacy.snapshot and privacy.platform_link call functions that core.write_audit() writes.
-- Locks:    SHARE ROW EXCLUSIVE on privacy.snapshot and privacy.platform_link for a moment.
-- Data:     none.
-- Old code: goes on: what is told is the same.
-- Rollback: the triggers call core.record_audit() again.
-- depends: 20261126_04_pre_core_write_audit 20261120_25_pre_privacy_create_snapshot

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

SELECT core.write_audit('privacy.snapshot');
SELECT core.write_audit('privacy.platform_link');

CREATE OR REPLACE TRIGGER audit_insert AFTER INSERT ON privacy.snapshot REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.audit_privacy_snapshot('workspace_id', 'id', 'link_id,template_id,sha256:packed,sha256:observed');
CREATE OR REPLACE TRIGGER audit_delete AFTER DELETE ON privacy.snapshot REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.audit_privacy_snapshot('workspace_id', 'id', 'link_id,template_id,sha256:packed,sha256:observed');
ALTER TABLE privacy.snapshot ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE privacy.snapshot ENABLE ALWAYS TRIGGER audit_delete;

CREATE OR REPLACE TRIGGER audit_insert AFTER INSERT ON privacy.platform_link REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.audit_privacy_platform_link('workspace_id', 'id', 'id,account_id,platform_id,label,status,unlink_reason');
CREATE OR REPLACE TRIGGER audit_update AFTER UPDATE ON privacy.platform_link REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.audit_privacy_platform_link('workspace_id', 'id', 'id,account_id,platform_id,label,status,unlink_reason,signed_since,frequency,scan_minute,weekday,stopped_at');
CREATE OR REPLACE TRIGGER audit_delete AFTER DELETE ON privacy.platform_link REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.audit_privacy_platform_link('workspace_id', 'id', 'id,account_id,platform_id,label,status,unlink_reason');
ALTER TABLE privacy.platform_link ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE privacy.platform_link ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE privacy.platform_link ENABLE ALWAYS TRIGGER audit_delete;
