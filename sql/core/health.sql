-- Health: what an operator must know before a mutation fails.

-- name: get_health :one
-- Partitions of the audit after this month, triggers of the audit that do not always fire, and the database's clock.
SELECT
    (
        SELECT count(*)
        FROM pg_inherits AS i
        JOIN pg_class AS c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'core.audit_event'::regclass
            AND right(c.relname, 6) > to_char(now() AT TIME ZONE 'UTC', 'YYYYMM')
    ) AS audit_months_ahead,
    (
        SELECT count(*)
        FROM pg_trigger AS t
        JOIN pg_class AS c ON c.oid = t.tgrelid
        WHERE c.relnamespace = 'core'::regnamespace
            AND c.relname ~ '^audit_(event|detail)'
            AND NOT t.tgisinternal
            AND t.tgenabled <> 'A'
    ) AS audit_triggers_off,
    (SELECT count(*) FROM pg_event_trigger AS e WHERE e.evtname LIKE 'fivefold%' AND e.evtenabled <> 'D') AS event_triggers,
    clock_timestamp() AS database_clock;
