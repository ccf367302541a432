SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DROP TABLE scans.indicator;
DELETE FROM core.data_inventory AS i
WHERE i.object = 'scans.indicator';
