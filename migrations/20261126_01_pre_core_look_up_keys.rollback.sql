SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow require-concurrent-index-creation: as in the migration.
CREATE INDEX api_key_workspace_id_account_id_idx_old ON core.api_key (workspace_id, account_id);
-- allow require-concurrent-index-creation: as above.
CREATE INDEX device_workspace_id_account_id_idx_old ON core.device (workspace_id, account_id);
-- allow require-concurrent-index-creation: as above.
CREATE INDEX ledger_transfer_workspace_id_reservation_id_idx_old ON core.ledger_transfer (workspace_id, reservation_id);

-- allow require-concurrent-index-deletion: as above.
DROP INDEX core.api_key_workspace_id_account_id_idx;
-- allow renaming-object: no statement names an index.
ALTER INDEX core.api_key_workspace_id_account_id_idx_old RENAME TO api_key_workspace_id_account_id_idx;
-- allow require-concurrent-index-deletion: as above.
DROP INDEX core.device_workspace_id_account_id_idx;
-- allow renaming-object: as above.
ALTER INDEX core.device_workspace_id_account_id_idx_old RENAME TO device_workspace_id_account_id_idx;
-- allow require-concurrent-index-deletion: as above.
DROP INDEX core.ledger_transfer_workspace_id_reservation_id_idx;
-- allow renaming-object: as above.
ALTER INDEX core.ledger_transfer_workspace_id_reservation_id_idx_old RENAME TO ledger_transfer_workspace_id_reservation_id_idx;
