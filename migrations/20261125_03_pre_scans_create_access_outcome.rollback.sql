SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DELETE FROM core.data_inventory WHERE object = 'scans.access_outcome';

-- What is past its time goes, of the caller's workspace, the oldest first; which rows those were. No login may delete any itself.
CREATE OR REPLACE FUNCTION scans.purge_access(max_rows integer) RETURNS uuid[]
LANGUAGE sql SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    WITH gone AS (
        DELETE FROM scans.access AS a
        WHERE a.workspace_id = core.current_workspace_id()
            AND a.id IN (
                SELECT o.id
                FROM scans.access AS o
                WHERE o.workspace_id = core.current_workspace_id()
                    AND o.id < core.uuidv7_floor(now() - interval '400 days')
                ORDER BY o.id
                LIMIT purge_access.max_rows
            )
        RETURNING a.id
    )
    SELECT coalesce(array_agg(g.id), '{}') FROM gone AS g;
END;

DROP TABLE scans.access_outcome;
DROP FUNCTION scans.keep_access_outcome();
COMMENT ON TABLE scans.access IS 'owned. Append-only: one request of a scan, or the refusal to make it. When it was, its id says.';
