-- Platform configs: how a settings page is found and read, version by version.
-- Table: privacy.platform_config

-- name: edge_active_config :edge
-- The version of each platform that is valid now; its end is where the next one begins.
SELECT k.position, c.id, c.version, c.valid_from, c.url_patterns, c.selectors,
    c.requests_per_minute, c.cooldown_minutes
FROM unnest(:platform_ids::uuid[]) WITH ORDINALITY AS k (platform_id, position)
CROSS JOIN LATERAL (
    SELECT v.id, v.version, v.valid_from, v.url_patterns, v.selectors, v.requests_per_minute, v.cooldown_minutes
    FROM privacy.platform_config AS v
    WHERE v.platform_id = k.platform_id
        AND v.valid_from <= now()
    ORDER BY v.valid_from DESC
    LIMIT 1
) AS c;

-- name: edge_platform_config :edge
-- For node(id) and for what a mutation answers.
SELECT c.id, c.version, c.valid_from, c.url_patterns, c.selectors,
    c.requests_per_minute, c.cooldown_minutes
FROM privacy.platform_config AS c
WHERE c.id = ANY(:ids::uuid[]);

-- name: get_config_version :one
-- Which was valid at a moment.
SELECT c.version
FROM privacy.platform_config AS c
WHERE c.platform_id = :platform_id
    AND c.valid_from <= :moment
ORDER BY c.valid_from DESC
LIMIT 1;

-- name: insert_platform_config :one
-- The next version of a platform; callers hold the platform's row, so versions have no gap and no double.
INSERT INTO privacy.platform_config (
    platform_id, version, valid_from, url_patterns, selectors, requests_per_minute, cooldown_minutes)
SELECT :platform_id, coalesce(max(c.version), 0) + 1, :valid_from, :url_patterns, :selectors, :requests_per_minute, :cooldown_minutes
FROM privacy.platform_config AS c
WHERE c.platform_id = :platform_id
RETURNING id, version, valid_from, url_patterns, selectors, requests_per_minute, cooldown_minutes;

-- name: list_platform_config :many
-- All versions of one platform, the newest first; a handful.
SELECT c.id, c.version, c.valid_from, c.url_patterns, c.selectors,
    c.requests_per_minute, c.cooldown_minutes
FROM privacy.platform_config AS c
WHERE c.platform_id = :platform_id
ORDER BY c.version DESC;
