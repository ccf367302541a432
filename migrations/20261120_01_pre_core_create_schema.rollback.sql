SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DROP FUNCTION core.uuidv7_floor(timestamptz);
DROP FUNCTION core.system_workspace_id();
DROP FUNCTION core.current_request_id();
DROP FUNCTION core.current_api_key_id();
DROP FUNCTION core.current_account_id();
DROP FUNCTION core.current_workspace_id();
DROP SCHEMA core;
