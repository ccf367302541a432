SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

COMMENT ON COLUMN core.rate_bucket.workspace_id IS NULL;

REVOKE SELECT, DELETE ON core.rate_bucket FROM fivefold_worker;
DROP POLICY worker_old ON core.rate_bucket;
