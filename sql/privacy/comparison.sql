-- Comparisons: platforms side by side, from what is shared and the caller's own.
-- Tables: privacy.platform, privacy.template, privacy.platform_link, privacy.snapshot

-- name: edge_own_score :edge
-- The caller's active links of each platform: the mean of their scores, and the share of settings that was seen.
SELECT k.position, o.links, o.scored_links, o.score, o.coverage
FROM unnest(:platform_ids::uuid[]) WITH ORDINALITY AS k (platform_id, position)
CROSS JOIN LATERAL (
    SELECT count(*)::integer AS links,
        count(s.risk_score)::integer AS scored_links,
        round(avg(s.risk_score))::integer AS score,
        coalesce(
            sum(CASE WHEN s.id IS NULL THEN 0 ELSE coalesce(bit_count(s.observed), t.setting_count) END)::float8
            / nullif(sum(coalesce(t.setting_count, a.setting_count)), 0),
            0) AS coverage
    FROM privacy.platform_link AS l
    LEFT JOIN privacy.snapshot AS s ON s.workspace_id = l.workspace_id AND s.id = l.latest_snapshot_id
    LEFT JOIN privacy.template AS t ON t.id = s.template_id
    LEFT JOIN privacy.template AS a ON a.platform_id = l.platform_id AND a.state = 'ACTIVE'
    WHERE l.workspace_id = :workspace_id
        AND l.platform_id = k.platform_id
        AND l.status = 'ACTIVE'
) AS o
WHERE o.links > 0;

-- name: list_compared_platform :many
-- Platforms that have an active template, by slug.
SELECT p.id AS platform_id, p.slug, t.id AS template_id
FROM privacy.platform AS p
JOIN privacy.template AS t ON t.platform_id = p.id
WHERE t.state = 'ACTIVE'
    AND p.slug = ANY (:slugs)  -- if :slugs
ORDER BY p.slug
LIMIT :limit;
