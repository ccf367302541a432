SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

REVOKE DELETE ON privacy.snapshot FROM fivefold_worker;
DROP FUNCTION privacy.list_purgeable(timestamptz, uuid, bigint);
DROP TABLE privacy.purged_snapshot;
DROP TABLE privacy.retention;
