-- Why:      with each batch of requests that were about to be made, all scans of all workspaces were read.
-- Change:   scans.require_scan() looks up each scan by its key.
-- Locks:    none on tables.
-- Data:     none.
-- Old code: goes on.
-- Rollback: the function as it was.
-- depends: 20261126_09_pre_core_look_up_books 20261126_11_pre_scans_create_publication_address 20261126_10_pre_scans_add_asn 20261125_13_pre_scans_require_scan

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- As the caller, whose policies show the scans of the workspace alone. What stands in a LATERAL with OFFSET 0 is asked row by row.
CREATE OR REPLACE FUNCTION scans.require_scan() RETURNS trigger
LANGUAGE plpgsql
SET search_path = ''
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    IF EXISTS (
        SELECT
        FROM (SELECT DISTINCT a.workspace_id, a.scan_id FROM new_rows AS a) AS n
        LEFT JOIN LATERAL (
            SELECT true AS found
            FROM scans.scan AS s
            WHERE s.workspace_id = n.workspace_id
                AND s.id = n.scan_id
            OFFSET 0
        ) AS s ON true
        WHERE s.found IS NULL
    ) THEN
        RAISE EXCEPTION 'an access is of a scan of its workspace' USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END
$$;
