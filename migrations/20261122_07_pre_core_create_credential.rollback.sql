SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DELETE FROM core.data_inventory WHERE object = 'core.credential';

DROP FUNCTION core.set_password_of(uuid, text);
DROP FUNCTION core.change_password(text, text, uuid);
DROP FUNCTION core.renew_password_hash(uuid, text, text);
DROP FUNCTION core.refuse_sign_in(uuid, text, text);
DROP FUNCTION core.open_session_by_password(uuid, text, bytea, bytea, text, text, interval, interval);
DROP FUNCTION core.authenticate_password(text, text);
DROP TABLE core.credential;
