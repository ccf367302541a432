-- Why:      what only servers of earlier releases called is a way around what was added since: a refresh without its grace, an
--           identity that was erased, pieces of an export that are sealed now.
-- Change:   drops core.get_export_chunk(), and core.refresh_session() and core.meet_identity() with fewer arguments.
-- Locks:    none on existing tables.
-- Data:     no rows are written.
-- Old code: fails: it must be gone.
-- Rollback: makes them again.
-- depends: 20261125_30_pre_core_bind_invitations 20261124_60_pre_core_repeat_lost_refresh 20261124_61_pre_core_seal_exports 20261124_64_pre_core_create_erased_identity

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow ban-drop-function: no code of this release calls it.
DROP FUNCTION core.get_export_chunk(bytea, bigint);
-- allow ban-drop-function: no code of this release calls it.
DROP FUNCTION core.refresh_session(bytea, bytea, bytea, text, text, interval);
-- allow ban-drop-function: no code of this release calls it.
DROP FUNCTION core.meet_identity(text, text, text, text, boolean, boolean);
