SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

REVOKE UPDATE (reopened_at, reopen_reason) ON privacy.acknowledgement FROM fivefold_worker;
REVOKE SELECT ON privacy.acknowledgement, privacy.platform_link, privacy.snapshot FROM fivefold_worker;

DROP POLICY worker_reopening ON privacy.snapshot;
DROP POLICY worker_reopening ON privacy.platform_link;
DROP POLICY worker_reopening ON privacy.acknowledgement;
