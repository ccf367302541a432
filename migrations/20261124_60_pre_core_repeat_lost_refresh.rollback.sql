SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DROP FUNCTION core.refresh_session(bytea, bytea, bytea, text, text, interval, interval);
DELETE FROM core.data_inventory AS i
WHERE i.object = 'core.session'
    AND i.column_name = 'refreshed_from';
-- allow ban-drop-column: it is the column of what is rolled back.
ALTER TABLE core.session DROP COLUMN refreshed_from;
