SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DELETE FROM core.data_inventory WHERE object = 'scans.access';
DROP FUNCTION scans.list_old_access(uuid, integer);
DROP FUNCTION scans.purge_access(integer);
DROP TABLE scans.access;
DROP FUNCTION scans.keep_access();
DROP FUNCTION scans.is_public(inet);
