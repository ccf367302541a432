-- Feeds: what changed on platforms' settings pages, for everybody and without a person's data.
-- Tables: privacy.platform, privacy.template. Read by nobody: policies show what is shared, and nothing else.

-- name: list_feed_template :many
-- The versions that became active last, of one platform or of all, each with the version before.
SELECT t.id, p.slug, p.name, p.privacy_url, t.version, t.created_at, t.activated_at, t.summary,
    (
        SELECT o.id
        FROM privacy.template AS o
        WHERE o.platform_id = t.platform_id
            AND o.version < t.version
            AND o.state IN ('ACTIVE', 'RETIRED')
        ORDER BY o.version DESC
        LIMIT 1
    ) AS previous_id
FROM privacy.template AS t
JOIN privacy.platform AS p ON p.id = t.platform_id
WHERE t.state IN ('ACTIVE', 'RETIRED')
    AND t.activated_at IS NOT NULL
    AND p.slug = :slug  -- if :slug
ORDER BY t.activated_at DESC, t.id
LIMIT :limit;
