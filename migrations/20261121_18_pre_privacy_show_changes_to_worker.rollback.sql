SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

REVOKE SELECT ON privacy.change FROM fivefold_worker;
