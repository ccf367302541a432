-- Why:      each statement asks who calls, for each table that it reads; as calls of functions these were up to a third of its time.
-- Change:   the four functions that say who calls have no settings of their own any more, so the planner writes their bodies in.
--           Their bodies are of the SQL standard's form: each name in them was bound when they were made, and no path is searched.
-- Locks:    none on existing tables.
-- Data:     no rows are written.
-- Old code: gets the same answers.
-- Rollback: they pin their path again.
-- depends: 20261124_76_pre_core_alert_of_more 20261120_01_pre_core_create_schema

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

ALTER FUNCTION core.current_workspace_id() RESET search_path;
ALTER FUNCTION core.current_account_id() RESET search_path;
ALTER FUNCTION core.current_api_key_id() RESET search_path;
ALTER FUNCTION core.current_request_id() RESET search_path;
