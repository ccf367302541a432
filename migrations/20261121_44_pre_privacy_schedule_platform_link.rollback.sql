SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DROP POLICY worker_all_select ON privacy.platform_link;
DROP POLICY worker_all_update ON privacy.platform_link;

ALTER TABLE privacy.platform_link
    DROP CONSTRAINT platform_link_failures_are_told,
    DROP CONSTRAINT platform_link_manual_has_no_next,
    DROP COLUMN health,
    DROP COLUMN failure_detail,
    DROP COLUMN last_failure,
    DROP COLUMN frequency,
    DROP COLUMN weekday,
    DROP COLUMN scan_minute,
    DROP COLUMN scan_milliseconds,
    DROP COLUMN failed_config_version,
    DROP COLUMN consecutive_failures,
    DROP COLUMN stopped_at,
    DROP COLUMN last_failure_at,
    DROP COLUMN awaited_until,
    DROP COLUMN requested_at,
    DROP COLUMN next_scan_at;
