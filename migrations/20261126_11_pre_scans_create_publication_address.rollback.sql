SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DELETE FROM core.data_inventory WHERE object = 'scans.publication_address';
DELETE FROM core.data_inventory WHERE object = 'scans.publication' AND column_name = 'favicon_hash';

DROP FUNCTION scans.list_related_publication(bytea, bytea, bytea, uuid, uuid, bigint), scans.list_publication_of_address(inet[], uuid, uuid, bigint),
    scans.list_publication_of_network(bigint[], uuid, uuid, bigint);
DROP INDEX scans.publication_content_hash_id_idx, scans.publication_favicon_hash_id_idx, scans.publication_certificate_hash_id_idx;
DROP TABLE scans.publication_address;
ALTER TABLE scans.publication DROP CONSTRAINT publication_favicon_hash_length;
ALTER TABLE scans.publication DROP CONSTRAINT publication_favicon_is_public;
ALTER TABLE scans.publication DROP COLUMN favicon_hash;
ALTER TABLE scans.publication
ALTER COLUMN certificate_hash SET STATISTICS DEFAULT,
ALTER COLUMN content_hash SET STATISTICS DEFAULT;
