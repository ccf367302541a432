-- Why:      a link is scanned again and again at a person's chosen time, and what fails is tried later or stopped.
-- Change:   schedule, open request and health of each link as columns of privacy.platform_link; the worker may see and write them.
-- Locks:    ACCESS EXCLUSIVE on privacy.platform_link, without reading it but for three empty indexes.
-- Data:     no rows are written; links that are there are MANUAL, as they were.
-- Old code: inserts and updates links as before; they stay MANUAL.
-- Rollback: drops every schedule and what is known of failures.
-- depends: 20261120_25_pre_privacy_create_snapshot 20261121_53_pre_privacy_show_acknowledgements_to_worker

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow prefer-bigint-over-int, prefer-bigint-over-smallint: counts of failures, milliseconds of a scan, minutes of a day, days of a week.
-- allow adding-field-with-default, constraint-missing-not-valid: the defaults are constants, so no row is written or read.
ALTER TABLE privacy.platform_link
    ADD COLUMN next_scan_at timestamptz,
    ADD COLUMN requested_at timestamptz,
    ADD COLUMN awaited_until timestamptz,
    ADD COLUMN last_failure_at timestamptz,
    ADD COLUMN stopped_at timestamptz,
    ADD COLUMN consecutive_failures integer NOT NULL DEFAULT 0
        CONSTRAINT platform_link_consecutive_failures_positive CHECK (consecutive_failures >= 0),
    ADD COLUMN failed_config_version integer,
    ADD COLUMN scan_milliseconds integer
        CONSTRAINT platform_link_scan_milliseconds_range CHECK (scan_milliseconds BETWEEN 0 AND 3600000),
    ADD COLUMN scan_minute smallint NOT NULL DEFAULT 540
        CONSTRAINT platform_link_scan_minute_range CHECK (scan_minute BETWEEN 0 AND 1439),
    ADD COLUMN weekday smallint CONSTRAINT platform_link_weekday_known CHECK (weekday BETWEEN 1 AND 7),
    ADD COLUMN frequency text NOT NULL DEFAULT 'MANUAL'
        CONSTRAINT platform_link_frequency_known CHECK (frequency IN ('DAILY', 'WEEKLY', 'MANUAL')),
    ADD COLUMN last_failure text
        CONSTRAINT platform_link_last_failure_known CHECK (last_failure IN ('TRANSIENT', 'BLOCKED', 'LAYOUT_CHANGED', 'SIGNED_OUT')),
    ADD COLUMN failure_detail text CONSTRAINT platform_link_failure_detail_length CHECK (length(failure_detail) <= 200),
    ADD COLUMN health text NOT NULL GENERATED ALWAYS AS (
        CASE
            WHEN consecutive_failures = 0 THEN 'HEALTHY'
            WHEN stopped_at IS NULL THEN 'WARNING'
            WHEN last_failure = 'SIGNED_OUT' THEN 'DISCONNECTED'
            ELSE 'FAILING'
        END) VIRTUAL
        CONSTRAINT platform_link_health_known CHECK (health IN ('HEALTHY', 'WARNING', 'FAILING', 'DISCONNECTED')),
    ADD CONSTRAINT platform_link_failures_are_told CHECK (consecutive_failures = 0 OR (last_failure IS NOT NULL AND last_failure_at IS NOT NULL)),
    ADD CONSTRAINT platform_link_manual_has_no_next CHECK (frequency <> 'MANUAL' OR next_scan_at IS NULL);

COMMENT ON COLUMN privacy.platform_link.next_scan_at IS 'When a scan is requested next, kept while scans are stopped; NULL for MANUAL and ended links.';
COMMENT ON COLUMN privacy.platform_link.requested_at IS 'When a scan was requested last.';
COMMENT ON COLUMN privacy.platform_link.awaited_until IS 'A request is open: without a scan until then it counts as missed.';
COMMENT ON COLUMN privacy.platform_link.stopped_at IS 'Since when no scans are requested by schedule, because of what failed.';
COMMENT ON COLUMN privacy.platform_link.failed_config_version IS 'The config that did not fit the page any more; scans go on with another one.';
COMMENT ON COLUMN privacy.platform_link.scan_milliseconds IS 'How long the last scan took, as the extension measured it.';
COMMENT ON COLUMN privacy.platform_link.scan_minute IS 'Preferred minute of the day, by the person''s clock.';
COMMENT ON COLUMN privacy.platform_link.weekday IS '1 Monday to 7 Sunday, for WEEKLY.';
COMMENT ON COLUMN privacy.platform_link.failure_detail IS 'What the extension said of the last failure; no content of a page.';

-- What the scheduler looks for every minute.
-- allow require-concurrent-index-creation: the columns are new, so the indexes are empty.
CREATE INDEX platform_link_due_idx ON privacy.platform_link (platform_id, next_scan_at)
WHERE next_scan_at IS NOT NULL AND stopped_at IS NULL;
-- allow require-concurrent-index-creation: as above.
CREATE INDEX platform_link_awaited_idx ON privacy.platform_link (awaited_until) WHERE awaited_until IS NOT NULL;
-- allow require-concurrent-index-creation: as above.
CREATE INDEX platform_link_outdated_idx ON privacy.platform_link (platform_id)
WHERE stopped_at IS NOT NULL AND last_failure = 'LAYOUT_CHANGED';

-- The scheduler crosses workspaces: it sees links that have a schedule, a request or a failure, and leaves none ended.
CREATE POLICY worker_all_select ON privacy.platform_link FOR SELECT TO fivefold_worker
USING (status = 'ACTIVE' AND (next_scan_at IS NOT NULL OR requested_at IS NOT NULL OR last_failure_at IS NOT NULL));
CREATE POLICY worker_all_update ON privacy.platform_link FOR UPDATE TO fivefold_worker
USING (status = 'ACTIVE' AND (next_scan_at IS NOT NULL OR requested_at IS NOT NULL OR last_failure_at IS NOT NULL));

GRANT UPDATE (
    next_scan_at, requested_at, awaited_until, last_failure_at, stopped_at, consecutive_failures, last_failure, failure_detail
) ON privacy.platform_link TO fivefold_worker;
GRANT UPDATE (
    next_scan_at, requested_at, awaited_until, last_failure_at, stopped_at, consecutive_failures, last_failure, failure_detail,
    failed_config_version, scan_milliseconds, scan_minute, weekday, frequency
) ON privacy.platform_link TO fivefold_api;
