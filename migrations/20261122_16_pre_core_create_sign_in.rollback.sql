SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DELETE FROM core.data_inventory WHERE object = 'core.sign_in';
DROP FUNCTION core.take_sign_in_code(bytea, bytea, boolean);
DROP FUNCTION core.settle_sign_in(bytea, text, text, text, text, boolean, boolean, interval);
DROP FUNCTION core.take_sign_in_state(bytea, text, bytea, bytea);
DROP FUNCTION core.take_sign_in_ticket(bytea, text, bytea, bytea);
DROP FUNCTION core.begin_sign_in(bytea, bytea, bytea, text, text, boolean, interval);
DROP TABLE core.sign_in;
