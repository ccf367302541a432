SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DROP FUNCTION privacy.propose_template(uuid, uuid, bytea, jsonb, text, jsonb, jsonb, bigint, bigint, text);
