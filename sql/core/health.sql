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

-- name: get_login :one
-- Who the server logs in as, and which of our roles the cluster lacks. It runs before bootstrap too, so roles may be missing.
SELECT
    current_user::text AS name,
    r.rolsuper OR coalesce(pg_has_role(to_regrole('fivefold_owner')::oid, 'USAGE'), false) AS passes_policies,
    ARRAY(
        SELECT needed
        FROM unnest(ARRAY['fivefold_owner', 'fivefold_definer', 'fivefold_migrator', 'fivefold_api', 'fivefold_worker', 'fivefold_auditor'])
            AS needed
        WHERE to_regrole(needed) IS NULL
    ) AS missing_roles
FROM pg_roles AS r
WHERE r.rolname = current_user;
