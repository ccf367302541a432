-- The dashboard's own figures; its lists are those of links and changes.

-- name: get_dashboard :one
-- The score is the mean over links that have one. Coverage is the share of all settings, of links never scanned too, that
-- their latest snapshot saw.
SELECT
    round(avg(s.risk_score))::integer AS overall_score,
    coalesce(
        sum(CASE WHEN s.id IS NULL THEN 0 ELSE coalesce(bit_count(s.observed), t.setting_count) END)::float8
        / nullif(sum(coalesce(t.setting_count, (
            SELECT a.setting_count FROM privacy.template AS a WHERE a.platform_id = l.platform_id AND a.state = 'ACTIVE'
        ))), 0),
        0) AS coverage
FROM privacy.platform_link AS l
LEFT JOIN privacy.snapshot AS s ON s.workspace_id = l.workspace_id AND s.id = l.latest_snapshot_id
LEFT JOIN privacy.template AS t ON t.id = s.template_id
WHERE l.workspace_id = :workspace_id
    AND l.status = 'ACTIVE';
