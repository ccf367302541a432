-- Why:      a platform that is asked too often by our extensions blocks them all.
-- Change:   how many scans of a platform are requested per minute, and how soon again of one link, in each config.
-- Locks:    ACCESS EXCLUSIVE on privacy.platform_config, without reading it.
-- Data:     no rows are written; versions that are there get the defaults.
-- Old code: publishes configs with the defaults.
-- Rollback: drops the limits; the defaults of the code hold.
-- depends: 20261120_21_pre_privacy_create_platform_config

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow prefer-bigint-over-int: counts per minute, and minutes.
ALTER TABLE privacy.platform_config
    ADD COLUMN requests_per_minute integer NOT NULL DEFAULT 30
        CONSTRAINT platform_config_requests_per_minute_range CHECK (requests_per_minute BETWEEN 1 AND 10000),
    ADD COLUMN cooldown_minutes integer NOT NULL DEFAULT 15
        CONSTRAINT platform_config_cooldown_minutes_range CHECK (cooldown_minutes BETWEEN 0 AND 10080);

COMMENT ON COLUMN privacy.platform_config.requests_per_minute IS 'Scans of the platform that are requested per minute of the clock, of all people together.';
COMMENT ON COLUMN privacy.platform_config.cooldown_minutes IS 'How long after a scan or a request the same link is not requested again.';

-- The last argument lists the columns that may be told.
CREATE OR REPLACE TRIGGER audit_insert AFTER INSERT ON privacy.platform_config REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit(
    '', 'id', 'id,platform_id,version,valid_from,url_patterns,selectors,requests_per_minute,cooldown_minutes');

ALTER TABLE privacy.platform_config ENABLE ALWAYS TRIGGER audit_insert;
