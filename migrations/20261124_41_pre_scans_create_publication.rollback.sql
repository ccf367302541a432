SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DROP FUNCTION scans.list_publication(uuid, bigint, text);
DROP FUNCTION scans.find_publication(uuid, bytea);
DROP FUNCTION scans.find_published_hash(bytea, bytea, bigint);
DROP TABLE scans.publication;
DELETE FROM core.data_inventory AS i
WHERE i.object = 'scans.publication';
