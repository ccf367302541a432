SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DROP FUNCTION core.list_person(uuid[]);
DROP TRIGGER end_membership ON core.member;
DROP FUNCTION core.end_membership();
DROP TRIGGER require_member ON core.device;
DROP TRIGGER require_member ON core.api_key;
DROP FUNCTION core.require_member();
DROP TRIGGER member_keep_owner ON core.member;
DROP FUNCTION core.keep_owner();
REVOKE UPDATE (role), DELETE ON core.member FROM fivefold_api;
DROP POLICY tenant_delete ON core.member;
DROP POLICY tenant_update ON core.member;
-- allow require-concurrent-index-deletion: small.
DROP INDEX core.device_account_id_idx;
-- allow require-concurrent-index-deletion: as above.
DROP INDEX core.api_key_account_id_idx;
-- allow ban-drop-constraint, constraint-missing-not-valid, adding-foreign-key-constraint: as the migration.
ALTER TABLE core.device
DROP CONSTRAINT device_account_id_fkey,
DROP CONSTRAINT device_workspace_id_fkey,
ADD CONSTRAINT device_member_fkey FOREIGN KEY (workspace_id, account_id) REFERENCES core.member (workspace_id, account_id);
-- allow ban-drop-constraint, constraint-missing-not-valid, adding-foreign-key-constraint: as the migration.
ALTER TABLE core.api_key
DROP CONSTRAINT api_key_account_id_fkey,
DROP CONSTRAINT api_key_workspace_id_fkey,
ADD CONSTRAINT api_key_member_fkey FOREIGN KEY (workspace_id, account_id) REFERENCES core.member (workspace_id, account_id);
