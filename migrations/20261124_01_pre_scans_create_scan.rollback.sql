SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DELETE FROM core.plan_limit AS l
WHERE l.name = 'scans.scans';
DROP TABLE scans.scan;
DROP FUNCTION scans.step_scan();
DROP SCHEMA scans;
DELETE FROM core.data_inventory AS i
WHERE i.object = 'scans.scan';
