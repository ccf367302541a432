SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DELETE FROM core.data_inventory WHERE object = 'core.session';

DROP FUNCTION core.list_caller(uuid[], uuid[], uuid[], uuid[]);
DROP FUNCTION core.authenticate_identity(text, text, uuid, uuid);
DROP FUNCTION core.end_sessions(uuid, uuid, text);
DROP FUNCTION core.end_sessions_of(uuid, uuid, uuid, text);
DROP FUNCTION core.refresh_session(bytea, bytea, bytea, text, text, interval);
DROP FUNCTION core.open_session(uuid, bytea, bytea, text, text, text, interval, interval);
DROP TABLE core.session;
