-- Audit retirements: months of the audit that are gone, and those that may go.
-- Table: core.audit_retirement

-- name: delete_retired_detail :exec
-- What the events of a retired month told, of every workspace.
SELECT core.forget_retired_detail(:begins::uuid, :ends::uuid);

-- name: list_audit_retirement :many
-- All, the oldest first.
SELECT r.begins, r.ends, r.event_id, r.leaf
FROM core.audit_retirement AS r
ORDER BY r.begins;

-- name: list_retirable_month :many
-- Months that are there and older than so many, the oldest first.
SELECT m.name AS month, core.uuidv7_floor(m.begins) AS begins, core.uuidv7_floor(m.ends) AS ends
FROM (
    SELECT to_char(f.first, 'YYYY-MM-DD') AS name, f.first AT TIME ZONE 'UTC' AS begins,
        (f.first + interval '1 month') AT TIME ZONE 'UTC' AS ends
    FROM pg_inherits AS i
    JOIN pg_class AS c ON c.oid = i.inhrelid
    CROSS JOIN LATERAL (SELECT to_timestamp(right(c.relname, 6), 'YYYYMM')::timestamp AS first) AS f
    WHERE i.inhparent = 'core.audit_event'::regclass
        AND c.relname ~ '^audit_event_[0-9]{6}$'
) AS m
WHERE m.ends <= now() - make_interval(months => :months)
ORDER BY m.begins;

-- name: retire_audit_month :exec
-- Drops it, unless it has other events than were compared with the seals, and records that it did.
SELECT core.retire_audit_month(:month::text::date, :events::bigint);
