SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DROP POLICY worker_all ON core.outbox;
DROP FUNCTION core.time_zone_of(uuid);
