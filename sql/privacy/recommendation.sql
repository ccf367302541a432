-- Recommendations: settings of the latest snapshots that expose more than they need to; and those that were dismissed.
-- Tables: privacy.platform_link, privacy.snapshot, privacy.template_setting, privacy.recommendation_dismissal

-- name: delete_recommendation_dismissal :exec
-- The recommendation is shown again.
DELETE FROM privacy.recommendation_dismissal AS d
WHERE d.workspace_id = :workspace_id
    AND d.link_id = :link_id
    AND d.setting = :setting;

-- name: page_recommendation :page
-- The most points first. Points are those of app/privacy/risk.py, by the method of the largest remainder: they add up to the
-- link's score. Where points are equal, the greater risk comes first.
SELECT r.rank, r.link_id, r.setting, r.template_id, s.label AS page_label, s.description, r.category, r.level, r.current_value,
    r.recommended_value, r.points, coalesce(a.direct_link, s.direct_link) AS direct_link, d.dismissed_at, d.reason AS dismissal_reason
FROM (
    SELECT p.link_id, p.template_id, p.place, p.setting, p.category, p.current_value, p.recommended_value, p.points,
        lpad(p.points::text, 3, '0') || lpad(p.risk::text, 3, '0') AS rank,
        CASE WHEN p.risk >= 60 THEN 'HIGH' WHEN p.risk >= 40 THEN 'MEDIUM' ELSE 'LOW' END AS level
    FROM (
        SELECT e.link_id, e.template_id, e.place, e.risk, e.key AS setting, e.category, e.value AS current_value,
            e.recommended AS recommended_value,
            (100 * e.risk / e.total)::integer
                + CASE
                    WHEN row_number() OVER (PARTITION BY e.link_id ORDER BY 100 * e.risk % e.total DESC, e.key COLLATE "C")
                        <= (200 * e.exposing + e.total) / (2 * e.total) - sum(100 * e.risk / e.total) OVER (PARTITION BY e.link_id)
                        THEN 1
                    ELSE 0
                END AS points
        FROM (
            SELECT l.id AS link_id, n.template_id, v.place, v.risk, v.exposes, v.key, v.category, v.value, v.recommended,
                sum(v.risk) OVER (PARTITION BY l.id) AS total,
                sum(v.risk) FILTER (WHERE v.exposes) OVER (PARTITION BY l.id) AS exposing
            FROM privacy.platform_link AS l
            JOIN privacy.snapshot AS n ON n.workspace_id = l.workspace_id AND n.id = l.latest_snapshot_id
            CROSS JOIN LATERAL privacy.seen_setting(n.template_id, n.packed, n.observed) AS v
            WHERE l.workspace_id = :workspace_id
                AND l.status = 'ACTIVE'
                AND l.id = :link_id  -- if :link_id
        ) AS e
        WHERE e.exposes
    ) AS p
) AS r
JOIN privacy.template_setting AS s ON s.template_id = r.template_id AND s.position = r.place
LEFT JOIN privacy.setting_advice AS a ON a.template_id = s.template_id AND a.key = s.key
LEFT JOIN privacy.recommendation_dismissal AS d
    ON d.workspace_id = :workspace_id
    AND d.link_id = r.link_id
    AND d.setting = r.setting
    AND d.value = r.current_value
    AND d.recommended = r.recommended_value
WHERE (d.setting IS NOT NULL) = :dismissed
    AND (r.rank, r.link_id, r.setting) < (:after_rank, :after_link_id::uuid, :after_setting)
    AND r.level = :level  -- if :level
    AND r.setting = :setting  -- if :setting
ORDER BY r.rank DESC, r.link_id DESC, r.setting DESC
LIMIT :limit;

-- name: upsert_recommendation_dismissal :one
-- Only what is recommended now, with the value and the advice of now. Dismissing again keeps the newer reason.
INSERT INTO privacy.recommendation_dismissal AS d (workspace_id, link_id, setting, value, recommended, reason)
SELECT l.workspace_id, l.id, v.key, v.value, v.recommended, :reason
FROM privacy.platform_link AS l
JOIN privacy.snapshot AS n ON n.workspace_id = l.workspace_id AND n.id = l.latest_snapshot_id
CROSS JOIN LATERAL privacy.seen_setting(n.template_id, n.packed, n.observed) AS v
WHERE l.workspace_id = :workspace_id
    AND l.id = :link_id
    AND l.status = 'ACTIVE'
    AND v.exposes
    AND v.key = :setting
ON CONFLICT (workspace_id, link_id, setting) DO UPDATE
SET value = excluded.value,
    recommended = excluded.recommended,
    reason = excluded.reason,
    dismissed_at = now()
RETURNING d.link_id, d.setting;
