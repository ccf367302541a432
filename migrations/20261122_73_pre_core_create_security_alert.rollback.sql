SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DELETE FROM core.data_inventory WHERE object IN ('core.security_alert', 'core.security_watch');
DROP FUNCTION core.raise_security_alerts(jsonb);
DROP FUNCTION core.list_watched(timestamptz, interval);
DROP FUNCTION core.take_security_watch();
DROP INDEX core.audit_event_watched_idx;
DROP TABLE core.security_watch;
DROP TABLE core.security_alert;
