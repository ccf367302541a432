-- Why:      a look-up of callers that knows no session lets those in whose session has ended.
-- Change:   drops core.authenticate_identity() and core.list_caller() as they were before there were sessions.
-- Locks:    none on existing tables.
-- Data:     no rows are written.
-- Old code: fails: it must be gone.
-- Rollback: makes them again.
-- depends: 20261122_06_pre_core_create_session

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow ban-drop-function: no code of this release calls it.
DROP FUNCTION core.authenticate_identity(text, text, uuid);
-- allow ban-drop-function: no code of this release calls it.
DROP FUNCTION core.list_caller(uuid[], uuid[], uuid[]);
