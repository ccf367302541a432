SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';
SET LOCAL fivefold.audit_ddl = 'allowed';

DROP TRIGGER require_scan ON scans.access;
DROP FUNCTION scans.require_scan();
