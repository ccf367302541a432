SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DROP TABLE scans.engine_verdict;
DELETE FROM core.data_inventory AS i
WHERE i.object = 'scans.engine_verdict';
