SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DELETE FROM core.data_inventory AS i
WHERE i.object = 'core.team';
DROP TABLE core.team;
