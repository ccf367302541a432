SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DO $$
BEGIN
    IF EXISTS (SELECT FROM core.data_key) THEN
        RAISE EXCEPTION 'there are data keys: without them nothing that they seal can be read again';
    END IF;
END
$$;

DELETE FROM core.data_inventory WHERE object = 'core.data_key';
DROP FUNCTION core.key_use();
DROP TABLE core.data_key;
