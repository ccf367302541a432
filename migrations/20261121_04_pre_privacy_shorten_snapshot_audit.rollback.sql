SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE OR REPLACE TRIGGER audit_insert AFTER INSERT ON privacy.snapshot REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,link_id,template_id,captured_at,sha256:packed,sha256:observed');
CREATE OR REPLACE TRIGGER audit_delete AFTER DELETE ON privacy.snapshot REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,link_id,template_id,captured_at,sha256:packed,sha256:observed');
ALTER TABLE privacy.snapshot ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE privacy.snapshot ENABLE ALWAYS TRIGGER audit_delete;
