SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

ALTER FUNCTION core.current_workspace_id() SET search_path = '';
ALTER FUNCTION core.current_account_id() SET search_path = '';
ALTER FUNCTION core.current_api_key_id() SET search_path = '';
ALTER FUNCTION core.current_request_id() SET search_path = '';
