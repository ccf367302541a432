SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DROP FUNCTION privacy.take_scan_pace(uuid, timestamptz, integer);
DROP TABLE privacy.scan_pace;
