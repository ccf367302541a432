SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DELETE FROM core.data_inventory WHERE object = 'core.account' AND column_name = 'email_verified_at';

DROP FUNCTION core.create_account(text, text, text, text, text, text, boolean);

CREATE OR REPLACE TRIGGER audit_insert AFTER INSERT ON core.account REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'id', 'id,email,display_name,locale,time_zone');
CREATE OR REPLACE TRIGGER audit_update AFTER UPDATE ON core.account REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'id', 'id,email,display_name,locale,time_zone');
CREATE OR REPLACE TRIGGER audit_delete AFTER DELETE ON core.account REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'id', 'id,email,display_name,locale,time_zone');
ALTER TABLE core.account ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE core.account ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE core.account ENABLE ALWAYS TRIGGER audit_delete;

-- allow ban-drop-column: it was made by this migration.
ALTER TABLE core.account DROP COLUMN email_verified_at;
