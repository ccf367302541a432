SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DROP FUNCTION core.confirm_caller(text, text, uuid, uuid, uuid, uuid, text, boolean);
