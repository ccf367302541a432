SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DROP FUNCTION core.get_export_chunk(bytea, bigint);
DROP FUNCTION core.take_export(bytea);
DROP FUNCTION core.page_export_row(uuid, text, jsonb, integer);
DROP TABLE core.data_export_chunk;
DROP TABLE core.data_export;
DELETE FROM core.data_inventory AS i
WHERE i.object IN ('core.data_export', 'core.data_export_chunk');
