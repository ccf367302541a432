SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DROP FUNCTION core.take_rate_tokens(uuid, double precision, double precision, double precision);
DROP TABLE core.rate_bucket;
