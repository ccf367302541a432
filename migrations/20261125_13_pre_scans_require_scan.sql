-- Why:      an access is of a scan of its own workspace; since scans go before their accesses no foreign key says so.
-- Change:   scans.require_scan(), which looks once for all rows of a statement; its trigger on scans.access.
-- Locks:    SHARE ROW EXCLUSIVE on scans.access for a moment.
-- Data:     none.
-- Old code: goes on.
-- Rollback: nobody looks any more.
-- depends: 20261125_12_pre_scans_create_retention

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- As the caller, whose policies show the scans of the workspace alone.
CREATE FUNCTION scans.require_scan() RETURNS trigger
LANGUAGE plpgsql
SET search_path = ''
AS $$
BEGIN
    IF EXISTS (
        SELECT
        FROM new_rows AS n
        WHERE NOT EXISTS (SELECT FROM scans.scan AS s WHERE s.workspace_id = n.workspace_id AND s.id = n.scan_id)
    ) THEN
        RAISE EXCEPTION 'an access is of a scan of its workspace' USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END
$$;

REVOKE ALL ON FUNCTION scans.require_scan() FROM PUBLIC;

CREATE TRIGGER require_scan AFTER INSERT ON scans.access REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION scans.require_scan();
ALTER TABLE scans.access ENABLE ALWAYS TRIGGER require_scan;
