SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

REVOKE SELECT, DELETE ON core.sign_in FROM fivefold_worker;
DROP POLICY worker_old ON core.sign_in;
