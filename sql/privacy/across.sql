-- Statements that look across workspaces, run by the worker. Each says why.

-- name: count_crowd_onlooker :one
-- How many people looked at a platform's page while others saw a setting flip, in all workspaces: a number and nobody's name.
-- Who looked later only is among them: it takes more to be a crowd then, not less.
SELECT count(DISTINCT l.account_id) AS people
FROM privacy.platform_link AS l
WHERE l.platform_id = :platform_id
    AND l.seen_until >= :first_seen_at;

-- name: get_crowd_evidence :one
-- The proof that a crowd would add to, in nobody's workspace: the first of those that it touches.
SELECT e.id
FROM privacy.crowd_evidence AS e
WHERE e.platform_id = :platform_id
    AND e.setting = :setting
    AND e.structure_hash = :structure_hash
    AND e.old_value = :old_value
    AND e.new_value = :new_value
    AND e.first_seen_at <= :last_seen_at
    AND e.last_seen_at >= :first_seen_at
ORDER BY e.id
LIMIT 1
FOR UPDATE;

-- name: insert_crowd_evidence :one
-- A proof belongs to all.
INSERT INTO privacy.crowd_evidence (
    platform_id, setting, structure_hash, old_value, new_value, first_seen_at, last_seen_at, people, window_hours)
VALUES (
    :platform_id, :setting, :structure_hash, :old_value, :new_value, :first_seen_at, :last_seen_at, :people, :window_hours)
RETURNING id;

-- name: insert_scan_request :exec
-- The scheduler asks for the scans of many people at once.
INSERT INTO core.outbox (workspace_id, object_id, kind, detail)
SELECT r.workspace_id, r.link_id, 'privacy.scan_requested', '{"reason": "SCHEDULE"}'::jsonb
FROM unnest(:workspace_ids::uuid[], :link_ids::uuid[]) AS r (workspace_id, link_id);

-- name: list_affected_member :many
-- A page that changed concerns people of all workspaces; what comes back is who, and nothing of what was seen.
SELECT a.workspace_id, a.account_id
FROM privacy.affected_member(:template_id) AS a;

-- name: list_crowd_flip :many
-- Whether a setting flipped for many people is a question to all of them; only flips, and how many saw them, are answered. The
-- index by capture finds the changes of the last days; only where so many lie close together the platform is looked up.
WITH recent AS MATERIALIZED (
    SELECT c.workspace_id, c.snapshot_id, c.setting, c.old_value, c.new_value, c.origin
    FROM privacy.change AS c
    WHERE c.snapshot_id >= :since_id
        AND c.origin IN ('USER', 'PLATFORM_CROWD')
        AND c.confidence < 1
        AND c.significance = 'VALUE'
),
spread AS (
    SELECT r.setting, r.old_value, r.new_value, r.origin,
        uuid_extract_timestamp(r.snapshot_id) - uuid_extract_timestamp(lag(r.snapshot_id, :people - 1) OVER (
            PARTITION BY r.setting, r.old_value, r.new_value
            ORDER BY r.snapshot_id)) AS span
    FROM recent AS r
),
dense AS MATERIALIZED (
    SELECT d.setting, d.old_value, d.new_value
    FROM spread AS d
    GROUP BY d.setting, d.old_value, d.new_value
    HAVING min(d.span) <= make_interval(hours => :hours, secs => 1) AND bool_or(d.origin = 'USER')
)
SELECT t.platform_id, t.structure_hash, r.setting, r.old_value, r.new_value, count(DISTINCT l.account_id) AS people
FROM dense AS o
JOIN recent AS r ON r.setting = o.setting AND r.old_value = o.old_value AND r.new_value = o.new_value
JOIN privacy.snapshot AS s ON s.workspace_id = r.workspace_id AND s.id = r.snapshot_id
JOIN privacy.template AS t ON t.id = s.template_id
JOIN privacy.platform_link AS l ON l.workspace_id = s.workspace_id AND l.id = s.link_id
WHERE t.activated_at IS NOT NULL
GROUP BY t.platform_id, t.structure_hash, r.setting, r.old_value, r.new_value
HAVING count(DISTINCT l.account_id) >= :people AND bool_or(r.origin = 'USER');

-- name: list_crowd_witness :many
-- Who saw a flip and when, with the organizations that they belong to: for the worker to tell people who have nothing to do with
-- each other. Nothing of it is kept. The newest, as many as it takes to find a crowd.
WITH flip AS MATERIALIZED (
    SELECT c.workspace_id, c.snapshot_id
    FROM privacy.change AS c
    WHERE c.snapshot_id >= :since_id
        AND c.origin IN ('USER', 'PLATFORM_CROWD')
        AND c.confidence < 1
        AND c.significance = 'VALUE'
        AND c.setting = :setting
        AND c.old_value = :old_value
        AND c.new_value = :new_value
)
SELECT s.captured_at, l.account_id,
    coalesce((
        SELECT array_agg(m.workspace_id::text)
        FROM core.member AS m
        JOIN core.workspace AS w ON w.id = m.workspace_id
        WHERE m.account_id = l.account_id
            AND w.kind = 'organization'
    ), '{}') AS organizations
FROM flip AS f
JOIN privacy.snapshot AS s ON s.workspace_id = f.workspace_id AND s.id = f.snapshot_id
JOIN privacy.template AS t ON t.id = s.template_id
JOIN privacy.platform_link AS l ON l.workspace_id = s.workspace_id AND l.id = s.link_id
WHERE t.platform_id = :platform_id
    AND t.structure_hash = :structure_hash
ORDER BY s.captured_at DESC
LIMIT :limit;

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

-- name: list_overdue_rights_request :many
-- Deadlines pass in every workspace; ids only, and the policy shows no request that is not overdue.
SELECT r.workspace_id, r.id
FROM privacy.rights_request AS r
WHERE r.status IN ('OPEN', 'IN_PROGRESS')
    AND r.expected_by <= now()
ORDER BY r.expected_by
LIMIT :limit;

-- name: list_purgeable :many
-- Who keeps more than was chosen: workspaces are told one by one, nothing of what they keep.
SELECT p.workspace_id AS id
FROM privacy.list_purgeable(:now, :after, :limit) AS p;

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

-- name: update_change_of_crowd :one
-- The changes of everybody whom a proof covers, so many at a time; what somebody else holds just now is left to the next time.
WITH flip AS MATERIALIZED (
    SELECT c.workspace_id, c.snapshot_id, c.setting
    FROM privacy.change AS c
    WHERE c.snapshot_id BETWEEN :first_id AND :last_id
        AND c.origin = 'USER'
        AND c.confidence < 1
        AND c.significance = 'VALUE'
        AND c.setting = :setting
        AND c.old_value = :old_value
        AND c.new_value = :new_value
),
due AS (
    SELECT c.workspace_id, c.snapshot_id, c.setting
    FROM flip AS f
    JOIN privacy.change AS c ON c.workspace_id = f.workspace_id AND c.snapshot_id = f.snapshot_id AND c.setting = f.setting
    JOIN privacy.snapshot AS s ON s.workspace_id = c.workspace_id AND s.id = c.snapshot_id
    JOIN privacy.template AS t ON t.id = s.template_id
    JOIN privacy.crowd_evidence AS e ON e.platform_id = t.platform_id AND e.structure_hash = t.structure_hash
    WHERE e.id = :id
        AND s.captured_at BETWEEN e.first_seen_at AND e.last_seen_at
        AND c.origin = 'USER'
        AND c.confidence < 1
    LIMIT :limit
    FOR UPDATE OF c SKIP LOCKED
),
done AS (
    UPDATE privacy.change AS c
    SET origin = 'PLATFORM_CROWD',
        confidence = round(least(0.95, c.confidence / 0.8 * 0.95)::numeric, 4)::float8
    FROM due AS d
    WHERE c.workspace_id = d.workspace_id
        AND c.snapshot_id = d.snapshot_id
        AND c.setting = d.setting
    RETURNING c.setting
),
counted AS (
    UPDATE privacy.crowd_evidence AS e
    SET relabeled = e.relabeled + (SELECT count(*) FROM done)
    WHERE e.id = :id
    RETURNING e.id
)
SELECT count(*) AS count
FROM done;

-- name: update_crowd_evidence :exec
-- More people, earlier or later ones: a proof only grows.
UPDATE privacy.crowd_evidence AS e
SET first_seen_at = least(e.first_seen_at, :first_seen_at),
    last_seen_at = greatest(e.last_seen_at, :last_seen_at),
    people = greatest(e.people, :people)
WHERE e.id = :id
    AND (e.first_seen_at, e.last_seen_at, e.people)
        IS DISTINCT FROM (least(e.first_seen_at, :first_seen_at), greatest(e.last_seen_at, :last_seen_at), greatest(e.people, :people));

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
