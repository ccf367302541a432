SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DELETE FROM core.data_inventory WHERE object = 'core.sign_up';

DROP FUNCTION core.confirm_sign_up(uuid, bytea);
DROP FUNCTION core.find_sign_up(bytea);
DROP FUNCTION core.prepare_sign_up(uuid, bytea);
DROP FUNCTION core.start_sign_up(text, text, text, text, text);
DROP TABLE core.sign_up;
