SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- As the caller, whose policies show the scans of the workspace alone.
CREATE OR REPLACE FUNCTION scans.require_scan() RETURNS trigger
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
