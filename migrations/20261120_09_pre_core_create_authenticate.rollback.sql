SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DROP FUNCTION core.authenticate_api_key(bytea);
DROP FUNCTION core.authenticate_identity(text, text, uuid);
