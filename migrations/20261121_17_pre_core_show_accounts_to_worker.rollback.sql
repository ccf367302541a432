SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DROP POLICY worker_all ON core.account;
DROP POLICY worker_member ON core.account;
