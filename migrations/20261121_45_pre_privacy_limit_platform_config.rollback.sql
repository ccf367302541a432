SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE OR REPLACE TRIGGER audit_insert AFTER INSERT ON privacy.platform_config REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'id', 'id,platform_id,version,valid_from,url_patterns,selectors');

ALTER TABLE privacy.platform_config ENABLE ALWAYS TRIGGER audit_insert;

ALTER TABLE privacy.platform_config
    DROP COLUMN requests_per_minute,
    DROP COLUMN cooldown_minutes;
