-- Health: what an operator must know before a mutation fails.

-- name: get_health :one
-- How many months the audit has partitions for after this one, without a gap; triggers of the audit that are missing or do
-- not always fire, on its own tables and on those that it records; event triggers; the database's clock.
SELECT
    (
        SELECT greatest(coalesce(min(month.ahead), 25) - 1, 0)
        FROM generate_series(0, 24) AS month (ahead)
        WHERE NOT EXISTS (
            SELECT
            FROM pg_inherits AS i
            WHERE i.inhparent = 'core.audit_event'::regclass
                AND i.inhrelid = to_regclass(
                    'core.audit_event_' || to_char(now() AT TIME ZONE 'UTC' + make_interval(months => month.ahead), 'YYYYMM'))
        )
    ) AS audit_months_ahead,
    (
        SELECT count(*)
        FROM (
            SELECT 'core.audit_detail'::regclass::oid
            UNION ALL
            SELECT 'core.audit_event'::regclass::oid
            UNION ALL
            SELECT i.inhrelid FROM pg_inherits AS i WHERE i.inhparent = 'core.audit_event'::regclass
        ) AS audit (relation)
        CROSS JOIN (VALUES ('append_only'), ('append_only_truncate')) AS needed (name)
        WHERE NOT EXISTS (
            SELECT FROM pg_trigger AS t WHERE t.tgrelid = audit.relation AND t.tgname = needed.name AND t.tgenabled = 'A'
        )
    ) + (
        SELECT count(*)
        FROM pg_trigger AS t
        WHERE (t.tgname LIKE 'audit\_%' OR t.tgname LIKE 'append\_only%')
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
