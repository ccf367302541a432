SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

ALTER TABLE core.outbox ALTER CONSTRAINT outbox_workspace_id_fkey ENFORCED;
ALTER TABLE core.ledger_entry ALTER CONSTRAINT ledger_entry_account_fkey ENFORCED;
ALTER TABLE core.ledger_entry ALTER CONSTRAINT ledger_entry_transfer_fkey ENFORCED;

DROP TRIGGER append_only ON core.ledger_account;
DROP TRIGGER append_only_truncate ON core.ledger_account;
