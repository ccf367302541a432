SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DROP FUNCTION core.remember_erased_identity(bytea[]);
DROP FUNCTION core.list_leaving_identity(uuid);
DROP FUNCTION core.meet_identity(text, text, text, text, boolean, boolean, bytea[], boolean, timestamptz);
DELETE FROM core.data_inventory AS i
WHERE i.object = 'core.erased_identity';
-- allow ban-drop-table: it is the table of what is rolled back.
DROP TABLE core.erased_identity;
