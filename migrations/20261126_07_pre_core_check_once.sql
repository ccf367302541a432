-- Why:      a foreign key is checked row by row, at the price of a look-up each, where a trigger has looked at all rows of the
--           statement already, or where nothing depends on it.
-- Change:   the foreign keys of core.ledger_entry are enforced by its trigger `book`, and core.ledger_account may not lose a row; that
--           of core.outbox is what policies say anyway: rows of the caller's own workspace, for seven days.
-- Locks:    ACCESS EXCLUSIVE on core.ledger_entry, core.ledger_transfer, core.ledger_account, core.outbox and core.workspace for
--           a moment.
-- Data:     none.
-- Old code: goes on.
-- Rollback: checks all rows again.
-- depends: 20261126_06_pre_scans_write_audit 20261125_02_pre_core_hasten_books 20261121_02_pre_core_create_outbox

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- An account of the books stays what it is and stays: only its balance moves.
CREATE TRIGGER append_only BEFORE UPDATE OF workspace_id, id, unit, kind OR DELETE ON core.ledger_account
FOR EACH ROW EXECUTE FUNCTION core.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON core.ledger_account
FOR EACH STATEMENT EXECUTE FUNCTION core.refuse_change();
ALTER TABLE core.ledger_account ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE core.ledger_account ENABLE ALWAYS TRIGGER append_only_truncate;

-- core.book_entries() refuses entries of a transfer or an account that is not there; neither can go.
-- allow ban-drop-constraint: the triggers above and `book` enforce it.
ALTER TABLE core.ledger_entry ALTER CONSTRAINT ledger_entry_transfer_fkey NOT ENFORCED;
-- allow ban-drop-constraint: as above.
ALTER TABLE core.ledger_entry ALTER CONSTRAINT ledger_entry_account_fkey NOT ENFORCED;

-- allow ban-drop-constraint: nothing reads a row of a workspace that is not there.
ALTER TABLE core.outbox ALTER CONSTRAINT outbox_workspace_id_fkey NOT ENFORCED;
