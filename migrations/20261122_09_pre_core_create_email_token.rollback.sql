SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DELETE FROM core.data_inventory WHERE object = 'core.email_token';

DROP FUNCTION core.request_password_notice();
DROP FUNCTION core.verify_email(bytea);
DROP FUNCTION core.reset_password(bytea, text);
DROP FUNCTION core.find_password_reset(bytea);
DROP FUNCTION core.prepare_email_token(uuid, bytea);
DROP FUNCTION core.request_email_token(text);
DROP FUNCTION core.request_password_reset(text);
DROP TABLE core.email_token;
