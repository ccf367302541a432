-- Why:      a process looks for news many times a second, mostly in vain, and sends the names of all who listen to it each time.
-- Change:   core.has_news().
-- Locks:    none on existing tables.
-- Data:     no rows are written.
-- Old code: goes on: it does not know the function.
-- Rollback: drops the function.
-- depends: 20261126_03_pre_scans_look_up_keys 20261121_11_pre_core_create_list_news

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- Whether anybody was told anything by transactions from since on, below the oldest that still runs: core.list_news() then
-- knows more.
CREATE FUNCTION core.has_news(since bigint) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    SELECT EXISTS (
        SELECT
        FROM core.outbox AS o
        WHERE o.xid >= has_news.since::text::xid8
            AND o.xid < pg_snapshot_xmin(pg_current_snapshot())
    );
END;

REVOKE ALL ON FUNCTION core.has_news(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION core.has_news(bigint) TO fivefold_api;
