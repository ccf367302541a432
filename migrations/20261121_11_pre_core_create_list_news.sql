-- Why:      a server process learns with one statement who of all that listen to it has something new to read.
-- Change:   core.list_news().
-- Locks:    none on existing tables.
-- Data:     no rows are written.
-- Old code: not affected.
-- Rollback: subscriptions bring nothing until it is applied again.
-- depends: 20261121_10_pre_core_index_outbox

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- Which of the workspaces were told something by transactions from since on, and up to where that is known: the oldest
-- transaction that still runs. One that began earlier and commits later is therefore never passed over. It gives away no
-- row: those are read by whoever may see them. What is recent is found first, whatever the number of workspaces.
CREATE FUNCTION core.list_news(workspace_ids uuid[], since bigint)
RETURNS TABLE (horizon bigint, told_workspace_id uuid, kind text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    WITH recent AS MATERIALIZED (
        SELECT o.workspace_id, o.kind
        FROM core.outbox AS o
        WHERE o.xid >= list_news.since::text::xid8
            AND o.xid < pg_snapshot_xmin(pg_current_snapshot())
    )
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint, n.workspace_id, n.kind
    FROM (SELECT) AS always
    LEFT JOIN (
        SELECT DISTINCT r.workspace_id, r.kind
        FROM recent AS r
        WHERE r.workspace_id = ANY (list_news.workspace_ids)
    ) AS n ON true;
END;

REVOKE ALL ON FUNCTION core.list_news(uuid[], bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION core.list_news(uuid[], bigint) TO fivefold_api;
