SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DROP FUNCTION privacy.count_affected(uuid);
DROP FUNCTION privacy.affected_member(uuid);
