SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DROP FUNCTION core.list_erasure_step();
DROP FUNCTION core.person_condition(text, boolean, jsonb);
