SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DROP FUNCTION core.assign_plan(uuid, text);
DROP TRIGGER audit_insert ON core.workspace;
DROP TRIGGER audit_update ON core.workspace;
DROP TRIGGER audit_delete ON core.workspace;
CREATE TRIGGER audit_insert AFTER INSERT ON core.workspace REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('id', 'id', 'id,kind,name,personal_account_id');
CREATE TRIGGER audit_update AFTER UPDATE ON core.workspace REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('id', 'id', 'id,kind,name,personal_account_id');
CREATE TRIGGER audit_delete AFTER DELETE ON core.workspace REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('id', 'id', 'id,kind,name,personal_account_id');
ALTER TABLE core.workspace ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE core.workspace ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE core.workspace ENABLE ALWAYS TRIGGER audit_delete;
REVOKE UPDATE (name) ON core.workspace FROM fivefold_api;
DROP POLICY tenant_update ON core.workspace;
ALTER TABLE core.workspace DROP COLUMN plan;
DROP TABLE core.plan_limit;
DROP TABLE core.plan;
