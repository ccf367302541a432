SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DELETE FROM core.plan_limit AS l
WHERE l.name = 'scans.open_disputes';
DROP FUNCTION scans.list_open_dispute(uuid, bigint);
DROP FUNCTION scans.resolve_dispute(uuid, boolean, text);
DROP TABLE scans.dispute;
DELETE FROM core.data_inventory AS i
WHERE i.object = 'scans.dispute';
