-- Why:      the check of a foreign key looks for a row by tenant and id. Planned while a table was young, it read all rows of the tenant
--           by another index that begins with the tenant as well, for as long as its connection lived.
-- Change:   such indexes of privacy.platform_link, privacy.rights_request and privacy.snapshot serve only who asks for their second column.
-- Locks:    SHARE on privacy.platform_link, privacy.rights_request and privacy.snapshot while the indexes are built, ACCESS EXCLUSIVE for a moment when those before go.
-- Data:     no rows are written.
-- Old code: its statements name the second column, or use the key.
-- Rollback: the indexes as they were.
-- depends: 20261126_01_pre_core_look_up_keys 20261120_25_pre_privacy_create_snapshot 20261121_61_pre_privacy_create_rights_request

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- Who compares the second column has said that it is not NULL; who looks by the key has not, so the index is none for him.
-- allow require-concurrent-index-creation: a name must not be without its index, nor the other way round; tables are small before the first release.
CREATE INDEX platform_link_latest_snapshot_idx_new ON privacy.platform_link (workspace_id, latest_snapshot_id) WHERE latest_snapshot_id IS NOT NULL;
-- allow require-concurrent-index-creation: as above.
CREATE INDEX platform_link_workspace_id_account_id_idx_new ON privacy.platform_link (workspace_id, account_id) WHERE account_id IS NOT NULL;
-- allow require-concurrent-index-creation: as above.
CREATE INDEX rights_request_workspace_id_account_id_idx_new ON privacy.rights_request (workspace_id, account_id) WHERE account_id IS NOT NULL;
-- allow require-concurrent-index-creation: as above.
CREATE INDEX snapshot_workspace_id_link_id_idx_new ON privacy.snapshot (workspace_id, link_id) WHERE link_id IS NOT NULL;

-- allow require-concurrent-index-deletion: as above.
DROP INDEX privacy.platform_link_latest_snapshot_idx;
-- allow renaming-object: no statement names an index.
ALTER INDEX privacy.platform_link_latest_snapshot_idx_new RENAME TO platform_link_latest_snapshot_idx;
-- allow require-concurrent-index-deletion: as above.
DROP INDEX privacy.platform_link_workspace_id_account_id_idx;
-- allow renaming-object: as above.
ALTER INDEX privacy.platform_link_workspace_id_account_id_idx_new RENAME TO platform_link_workspace_id_account_id_idx;
-- allow require-concurrent-index-deletion: as above.
DROP INDEX privacy.rights_request_workspace_id_account_id_idx;
-- allow renaming-object: as above.
ALTER INDEX privacy.rights_request_workspace_id_account_id_idx_new RENAME TO rights_request_workspace_id_account_id_idx;
-- allow require-concurrent-index-deletion: as above.
DROP INDEX privacy.snapshot_workspace_id_link_id_idx;
-- allow renaming-object: as above.
ALTER INDEX privacy.snapshot_workspace_id_link_id_idx_new RENAME TO snapshot_workspace_id_link_id_idx;
