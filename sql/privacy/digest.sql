-- Digests: how a member's week was.
-- Tables: core.notification_preference, privacy.platform_link, privacy.snapshot, privacy.change.

-- name: get_digest :one
-- The score is the mean over links, as on the dashboard: now, and of what was known at the moment that the week began.
SELECT
    count(*) AS links,
    count(*) FILTER (WHERE l.health IN ('FAILING', 'DISCONNECTED')) AS failing,
    round(avg(s.risk_score))::integer AS score,
    round(avg(b.risk_score))::integer AS score_before
FROM privacy.platform_link AS l
LEFT JOIN privacy.snapshot AS s ON s.workspace_id = l.workspace_id AND s.id = l.latest_snapshot_id
LEFT JOIN LATERAL (
    SELECT h.risk_score
    FROM privacy.snapshot AS h
    WHERE h.workspace_id = l.workspace_id
        AND h.link_id = l.id
        AND h.id < core.uuidv7_floor(:since::timestamptz)
    ORDER BY h.id DESC
    LIMIT 1
) AS b ON true
WHERE l.workspace_id = :workspace_id
    AND l.account_id = :member_id
    AND l.status = 'ACTIVE';

-- name: list_change_by_origin :many
-- What the week's captures found, noise apart.
SELECT c.origin, count(*) AS changes
FROM privacy.platform_link AS l
JOIN privacy.snapshot AS s ON s.workspace_id = l.workspace_id AND s.link_id = l.id
JOIN privacy.change AS c ON c.workspace_id = s.workspace_id AND c.snapshot_id = s.id
WHERE l.workspace_id = :workspace_id
    AND l.account_id = :member_id
    AND l.status = 'ACTIVE'
    AND s.id >= core.uuidv7_floor(:since::timestamptz)
    AND c.significance <> 'NOISE'
GROUP BY c.origin;

-- name: update_digest_week :one
-- The week's digest is this job's, or nothing: whoever comes second finds the week taken.
UPDATE core.notification_preference AS p
SET digest_week = :week
WHERE p.workspace_id = :workspace_id
    AND p.account_id = :member_id
    AND p.weekly_digest
    AND p.digest_week < :week
RETURNING p.digest_week;
