SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DELETE FROM core.plan_limit AS l
WHERE l.name = 'scans.monitors';
DROP FUNCTION scans.list_watchful(timestamptz, bigint);
DROP TABLE scans.monitor;
DELETE FROM core.data_inventory AS i
WHERE i.object = 'scans.monitor';
