SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DELETE FROM core.data_inventory AS i
WHERE i.object = 'core.workspace'
    AND i.column_name IN ('version', 'key_days', 'color', 'logo_url', 'default_role');
DROP FUNCTION core.list_membership();
DROP FUNCTION core.create_organization(text);
DELETE FROM core.plan_limit AS l
WHERE l.name IN ('core.members', 'core.organizations');
DROP TRIGGER audit_insert ON core.workspace;
DROP TRIGGER audit_update ON core.workspace;
DROP TRIGGER audit_delete ON core.workspace;
CREATE TRIGGER audit_insert AFTER INSERT ON core.workspace REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('id', 'id', 'id,kind,name,personal_account_id,plan');
CREATE TRIGGER audit_update AFTER UPDATE ON core.workspace REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('id', 'id', 'id,kind,name,personal_account_id,plan');
CREATE TRIGGER audit_delete AFTER DELETE ON core.workspace REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('id', 'id', 'id,kind,name,personal_account_id,plan');
ALTER TABLE core.workspace ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE core.workspace ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE core.workspace ENABLE ALWAYS TRIGGER audit_delete;
ALTER TABLE core.workspace
DROP COLUMN default_role,
DROP COLUMN logo_url,
DROP COLUMN color,
DROP COLUMN key_days,
DROP COLUMN version;
