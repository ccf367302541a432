SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

ALTER POLICY worker_all_select ON privacy.platform_link
USING (status = 'ACTIVE' AND (next_scan_at IS NOT NULL OR requested_at IS NOT NULL OR last_failure_at IS NOT NULL));
ALTER POLICY worker_all_update ON privacy.platform_link
USING (status = 'ACTIVE' AND (next_scan_at IS NOT NULL OR requested_at IS NOT NULL OR last_failure_at IS NOT NULL));
