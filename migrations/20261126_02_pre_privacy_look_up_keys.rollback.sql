SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow require-concurrent-index-creation: as in the migration.
CREATE INDEX platform_link_latest_snapshot_idx_old ON privacy.platform_link (workspace_id, latest_snapshot_id);
-- allow require-concurrent-index-creation: as above.
CREATE INDEX platform_link_workspace_id_account_id_idx_old ON privacy.platform_link (workspace_id, account_id);
-- allow require-concurrent-index-creation: as above.
CREATE INDEX rights_request_workspace_id_account_id_idx_old ON privacy.rights_request (workspace_id, account_id);
-- allow require-concurrent-index-creation: as above.
CREATE INDEX snapshot_workspace_id_link_id_idx_old ON privacy.snapshot (workspace_id, link_id);

-- allow require-concurrent-index-deletion: as above.
DROP INDEX privacy.platform_link_latest_snapshot_idx;
-- allow renaming-object: no statement names an index.
ALTER INDEX privacy.platform_link_latest_snapshot_idx_old RENAME TO platform_link_latest_snapshot_idx;
-- allow require-concurrent-index-deletion: as above.
DROP INDEX privacy.platform_link_workspace_id_account_id_idx;
-- allow renaming-object: as above.
ALTER INDEX privacy.platform_link_workspace_id_account_id_idx_old RENAME TO platform_link_workspace_id_account_id_idx;
-- allow require-concurrent-index-deletion: as above.
DROP INDEX privacy.rights_request_workspace_id_account_id_idx;
-- allow renaming-object: as above.
ALTER INDEX privacy.rights_request_workspace_id_account_id_idx_old RENAME TO rights_request_workspace_id_account_id_idx;
-- allow require-concurrent-index-deletion: as above.
DROP INDEX privacy.snapshot_workspace_id_link_id_idx;
-- allow renaming-object: as above.
ALTER INDEX privacy.snapshot_workspace_id_link_id_idx_old RENAME TO snapshot_workspace_id_link_id_idx;
