-- Statements that look across workspaces, run by the worker. Each says why.

-- name: insert_scan_request :exec
-- The scheduler asks for the scans of many people at once.
INSERT INTO core.outbox (workspace_id, object_id, kind, detail)
SELECT r.workspace_id, r.link_id, 'privacy.scan_requested', '{"reason": "SCHEDULE"}'::jsonb
FROM unnest(:workspace_ids::uuid[], :link_ids::uuid[]) AS r (workspace_id, link_id);

-- name: list_affected_member :many
-- A page that changed concerns people of all workspaces; what comes back is who, and nothing of what was seen.
SELECT a.workspace_id, a.account_id
FROM privacy.affected_member(:template_id) AS a;

-- name: list_due_platform :many
-- A platform's limit holds for all people together, so the scheduler goes by platform.
SELECT p.id
FROM privacy.platform AS p
WHERE EXISTS (
    SELECT
    FROM privacy.platform_link AS l
    WHERE l.platform_id = p.id
        AND l.next_scan_at <= :now
        AND l.stopped_at IS NULL
        AND l.status = 'ACTIVE'
)
ORDER BY p.slug;

-- name: lock_due_plan :many
-- The longest overdue of all workspaces first, so that nobody is passed over; what another worker or a scan holds is left.
SELECT l.workspace_id, l.id, l.account_id, l.platform_id, l.seen_until, l.next_scan_at, l.requested_at, l.awaited_until,
    l.last_failure_at, l.stopped_at, l.consecutive_failures, l.failed_config_version, l.scan_minute, l.weekday, l.frequency,
    l.last_failure, l.failure_detail,
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
WHERE l.platform_id = :platform_id
    AND l.next_scan_at <= :now
    AND l.stopped_at IS NULL
    AND l.status = 'ACTIVE'
ORDER BY l.next_scan_at
LIMIT :limit
FOR NO KEY UPDATE OF l SKIP LOCKED;

-- name: lock_missed_plan :many
-- Requests of all workspaces that nobody answered in time.
SELECT l.workspace_id, l.id, l.account_id, l.platform_id, l.seen_until, l.next_scan_at, l.requested_at, l.awaited_until,
    l.last_failure_at, l.stopped_at, l.consecutive_failures, l.failed_config_version, l.scan_minute, l.weekday, l.frequency,
    l.last_failure, l.failure_detail,
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
WHERE l.awaited_until <= :now
    AND l.status = 'ACTIVE'
ORDER BY l.awaited_until
LIMIT :limit
FOR NO KEY UPDATE OF l SKIP LOCKED;

-- name: lock_outdated_plan :many
-- Links of all workspaces that wait for another config of their platform, which is there.
SELECT l.workspace_id, l.id, l.account_id, l.platform_id, l.seen_until, l.next_scan_at, l.requested_at, l.awaited_until,
    l.last_failure_at, l.stopped_at, l.consecutive_failures, l.failed_config_version, l.scan_minute, l.weekday, l.frequency,
    l.last_failure, l.failure_detail,
    coalesce(core.time_zone_of(l.account_id), 'UTC') AS time_zone,
    a.cooldown_minutes
FROM (
    SELECT p.id AS platform_id, c.version, c.cooldown_minutes
    FROM privacy.platform AS p
    CROSS JOIN LATERAL (
        SELECT v.version, v.cooldown_minutes
        FROM privacy.platform_config AS v
        WHERE v.platform_id = p.id
            AND v.valid_from <= :now
        ORDER BY v.valid_from DESC
        LIMIT 1
    ) AS c
) AS a
JOIN privacy.platform_link AS l ON l.platform_id = a.platform_id
WHERE l.stopped_at IS NOT NULL
    AND l.last_failure = 'LAYOUT_CHANGED'
    AND l.failed_config_version IS DISTINCT FROM a.version
    AND l.status = 'ACTIVE'
LIMIT :limit
FOR NO KEY UPDATE OF l SKIP LOCKED;

-- name: measure_template_usage :exec
-- How much a template is used can only be counted over all workspaces; nothing but counts is kept.
SELECT privacy.measure_template_usage();

-- name: update_acknowledgement_of_template :one
-- A platform that changed a setting's default, recommendation or options did so to everybody who had acknowledged a change of it.
-- What is not known, or not judged, has not changed. So many at a time; what somebody else holds just now is left to the next time.
WITH due AS (
    SELECT a.workspace_id, a.snapshot_id, a.setting
    FROM privacy.template AS t
    JOIN privacy.platform_link AS l ON l.platform_id = t.platform_id
    JOIN privacy.acknowledgement AS a ON a.workspace_id = l.workspace_id AND a.link_id = l.id
    JOIN privacy.snapshot AS s ON s.workspace_id = a.workspace_id AND s.id = a.snapshot_id
    JOIN privacy.template_setting AS old ON old.template_id = s.template_id AND old.key = a.setting
    LEFT JOIN privacy.setting_advice AS judged ON judged.template_id = old.template_id AND judged.key = old.key
    LEFT JOIN privacy.template_setting AS now ON now.template_id = t.id AND now.key = a.setting
    LEFT JOIN privacy.setting_advice AS rejudged ON rejudged.template_id = now.template_id AND rejudged.key = now.key
    WHERE t.id = :template_id
        AND t.state = 'ACTIVE'
        AND a.reopened_at IS NULL
        AND a.acknowledged_at < t.activated_at
        AND (
            now.key IS NULL
            OR old.options <> now.options
            OR (old.default_known AND now.default_known AND old.default_value <> now.default_value)
            OR (
                coalesce(judged.risk, old.risk) > 0
                AND coalesce(rejudged.risk, now.risk) > 0
                AND coalesce(judged.recommended, old.recommended) <> coalesce(rejudged.recommended, now.recommended)
            )
        )
    LIMIT :limit
    FOR UPDATE OF a SKIP LOCKED
),
done AS (
    UPDATE privacy.acknowledgement AS a
    SET reopened_at = now(),
        reopen_reason = 'TEMPLATE'
    FROM due AS d
    WHERE a.workspace_id = d.workspace_id
        AND a.snapshot_id = d.snapshot_id
        AND a.setting = d.setting
    RETURNING a.setting
)
SELECT count(*) AS count
FROM done;

-- name: update_scan_plan_of_any :exec
-- What the scheduler found for many links of many workspaces, whose rows it holds.
UPDATE privacy.platform_link AS l
SET next_scan_at = n.next_scan_at,
    requested_at = n.requested_at,
    awaited_until = n.awaited_until,
    consecutive_failures = n.consecutive_failures,
    last_failure = n.last_failure,
    last_failure_at = n.last_failure_at,
    failure_detail = n.failure_detail,
    stopped_at = n.stopped_at
FROM unnest(
    :workspace_ids::uuid[], :ids::uuid[], :next_scan_ats::timestamptz[], :requested_ats::timestamptz[], :awaited_untils::timestamptz[],
    :consecutive_failures::integer[], :last_failures::text[], :last_failure_ats::timestamptz[], :failure_details::text[],
    :stopped_ats::timestamptz[]) AS n (
    workspace_id, id, next_scan_at, requested_at, awaited_until, consecutive_failures, last_failure, last_failure_at, failure_detail,
    stopped_at)
WHERE l.workspace_id = n.workspace_id
    AND l.id = n.id;
