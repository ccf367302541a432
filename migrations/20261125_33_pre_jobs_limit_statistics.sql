-- Why:      the planner's statistics keep values of rows: after an erasure an address, a name or a note could be read in them
--           until the table was analyzed again, and longer where it was left empty.
-- Change:   no statistics of what people write or are called by.
-- Locks:    SHARE UPDATE EXCLUSIVE for a moment, so that reading and writing go on, on jobs.pgqueuer.
-- Data:     statistics of those columns are dropped.
-- Old code: goes on.
-- Rollback: statistics are gathered again by the next ANALYZE.
-- depends: 20261125_32_pre_core_limit_statistics 20261122_72_pre_core_create_webhook_delivery

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

ALTER TABLE jobs.pgqueuer
ALTER COLUMN dedupe_key SET STATISTICS 0,
ALTER COLUMN headers SET STATISTICS 0,
ALTER COLUMN payload SET STATISTICS 0;

-- What there is of them already.
SELECT pg_clear_attribute_stats(s.schemaname, s.tablename, s.attname, s.inherited)
FROM pg_stats AS s
JOIN pg_attribute AS a ON a.attrelid = format('%I.%I', s.schemaname, s.tablename)::regclass AND a.attname = s.attname
WHERE s.schemaname = 'jobs'
    AND a.attstattarget = 0;
