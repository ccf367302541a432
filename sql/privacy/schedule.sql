-- Schedules: when scans of a link are requested.
-- Table: privacy.platform_link, in columns of its own.

-- name: edge_schedule :edge
-- What was chosen for each link, and when its next scan is requested: never while scans are stopped.
SELECT k.position, l.frequency, l.weekday, l.requested_at, l.awaited_until, l.stopped_at,
    to_char(make_time(l.scan_minute / 60, l.scan_minute % 60, 0), 'HH24:MI') AS "at",
    coalesce(core.time_zone_of(l.account_id), 'UTC') AS time_zone,
    CASE WHEN l.stopped_at IS NULL THEN l.next_scan_at END AS next_scan_at
FROM unnest(:link_ids::uuid[]) WITH ORDINALITY AS k (link_id, position)
JOIN privacy.platform_link AS l ON l.id = k.link_id
WHERE l.workspace_id = :workspace_id
    AND l.id = ANY(:link_ids::uuid[]);

-- name: lock_scan_plan :one
-- Whoever changes a schedule or tells of a failure takes turns with scans and with the scheduler.
SELECT l.workspace_id, l.id, l.account_id, l.platform_id, l.seen_until, l.next_scan_at, l.requested_at, l.awaited_until,
    l.last_failure_at, l.stopped_at, l.consecutive_failures, l.failed_config_version, l.scan_minute, l.weekday, l.frequency,
    l.last_failure, l.failure_detail, l.status <> 'ACTIVE' AS ended,
    coalesce(core.time_zone_of(l.account_id), 'UTC') AS time_zone,
    coalesce(
        (SELECT c.cooldown_minutes
        FROM privacy.platform_config AS c
        WHERE c.platform_id = l.platform_id
            AND c.valid_from <= :now
        ORDER BY c.valid_from DESC
        LIMIT 1),
        15) AS cooldown_minutes
FROM privacy.platform_link AS l
WHERE l.workspace_id = :workspace_id
    AND l.id = :id
FOR NO KEY UPDATE OF l;

-- name: take_scan_pace :one
-- How many of the wanted requests the platform's limit grants in this minute.
SELECT privacy.take_scan_pace(:platform_id, :now, :wanted) AS granted;

-- name: update_scan_plan :exec
-- Callers hold the link's row.
UPDATE privacy.platform_link AS l
SET frequency = :frequency,
    scan_minute = :scan_minute,
    weekday = :weekday,
    next_scan_at = :next_scan_at,
    requested_at = :requested_at,
    awaited_until = :awaited_until,
    consecutive_failures = :consecutive_failures,
    last_failure = :last_failure,
    last_failure_at = :last_failure_at,
    failure_detail = :failure_detail,
    failed_config_version = :failed_config_version,
    stopped_at = :stopped_at
WHERE l.workspace_id = :workspace_id
    AND l.id = :id;
