-- Why:      the check of a foreign key looks for a row by tenant and id. Planned while a table was young, it read all rows of the tenant
--           by another index that begins with the tenant as well, for as long as its connection lived.
-- Change:   such indexes of core.api_key, core.device and core.ledger_transfer serve only who asks for their second column.
-- Locks:    SHARE on core.api_key, core.device and core.ledger_transfer while the indexes are built, ACCESS EXCLUSIVE for a moment when those before go.
-- Data:     no rows are written.
-- Old code: its statements name the second column, or use the key.
-- Rollback: the indexes as they were.
-- depends: 20261125_90_pre_core_create_confirm_caller 20261120_07_pre_core_create_api_key 20261121_65_pre_core_create_device 20261122_30_pre_core_create_ledger

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- Who compares the second column has said that it is not NULL; who looks by the key has not, so the index is none for him.
-- allow require-concurrent-index-creation: a name must not be without its index, nor the other way round; tables are small before the first release.
CREATE INDEX api_key_workspace_id_account_id_idx_new ON core.api_key (workspace_id, account_id) WHERE account_id IS NOT NULL;
-- allow require-concurrent-index-creation: as above.
CREATE INDEX device_workspace_id_account_id_idx_new ON core.device (workspace_id, account_id) WHERE account_id IS NOT NULL;
-- allow require-concurrent-index-creation: as above.
CREATE INDEX ledger_transfer_workspace_id_reservation_id_idx_new ON core.ledger_transfer (workspace_id, reservation_id) WHERE reservation_id IS NOT NULL;

-- allow require-concurrent-index-deletion: as above.
DROP INDEX core.api_key_workspace_id_account_id_idx;
-- allow renaming-object: no statement names an index.
ALTER INDEX core.api_key_workspace_id_account_id_idx_new RENAME TO api_key_workspace_id_account_id_idx;
-- allow require-concurrent-index-deletion: as above.
DROP INDEX core.device_workspace_id_account_id_idx;
-- allow renaming-object: as above.
ALTER INDEX core.device_workspace_id_account_id_idx_new RENAME TO device_workspace_id_account_id_idx;
-- allow require-concurrent-index-deletion: as above.
DROP INDEX core.ledger_transfer_workspace_id_reservation_id_idx;
-- allow renaming-object: as above.
ALTER INDEX core.ledger_transfer_workspace_id_reservation_id_idx_new RENAME TO ledger_transfer_workspace_id_reservation_id_idx;
