SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE OR REPLACE TRIGGER audit_update AFTER UPDATE ON privacy.platform_link REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,account_id,platform_id,label,status,unlink_reason,signed_since');
ALTER TABLE privacy.platform_link ENABLE ALWAYS TRIGGER audit_update;
