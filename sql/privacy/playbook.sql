-- Playbooks: steps that lead to better settings on one platform.
-- Tables: privacy.playbook, privacy.playbook_step

-- name: edge_playbook :edge
-- For node(id), older versions too.
SELECT p.id, p.platform_id, p.slug, p.version, p.title, p.summary, p.created_at, p.digest
FROM privacy.playbook AS p
WHERE p.id = ANY(:ids::uuid[]);

-- name: edge_playbook_of_platform :edge
-- The newest version of each playbook; a handful for a platform.
SELECT k.position, p.id, p.platform_id, p.slug, p.version, p.title, p.summary, p.created_at, p.digest
FROM unnest(:platform_ids::uuid[]) WITH ORDINALITY AS k (platform_id, position)
JOIN privacy.playbook AS p ON p.platform_id = k.platform_id
WHERE NOT EXISTS (
    SELECT
    FROM privacy.playbook AS n
    WHERE n.platform_id = p.platform_id
        AND n.slug = p.slug
        AND n.version > p.version
)
ORDER BY k.position, p.slug;

-- name: edge_playbook_step :edge
-- The steps of each playbook, in order.
SELECT k.position, s.number, s.text, s.setting, s.target, s.direct_link
FROM unnest(:playbook_ids::uuid[]) WITH ORDINALITY AS k (playbook_id, position)
JOIN privacy.playbook_step AS s ON s.playbook_id = k.playbook_id
ORDER BY k.position, s.number;

-- name: insert_playbook :one
-- A new version from the curated files; run by the owner of the tables. Nothing when the version is there.
INSERT INTO privacy.playbook (platform_id, slug, version, title, summary, digest)
VALUES (:platform_id, :slug, :version, :title, :summary, :digest)
ON CONFLICT (platform_id, slug, version) DO NOTHING
RETURNING id, platform_id, slug, version, title, summary, created_at, digest;

-- name: insert_playbook_step :exec
-- With their playbook, in one transaction; afterwards they never change.
INSERT INTO privacy.playbook_step (playbook_id, number, text, setting, target, direct_link)
VALUES (:playbook_id, :number, :text, :setting, :target, :direct_link);

-- name: list_playbook :many
-- All versions of one platform's playbooks; a handful.
SELECT p.id, p.platform_id, p.slug, p.version, p.title, p.summary, p.created_at, p.digest
FROM privacy.playbook AS p
WHERE p.platform_id = :platform_id
ORDER BY p.slug, p.version;

-- name: page_playbook :page
-- The newest version of each playbook of one platform, by slug.
SELECT p.id, p.platform_id, p.slug, p.version, p.title, p.summary, p.created_at, p.digest
FROM privacy.playbook AS p
WHERE p.platform_id = :platform_id
    AND NOT EXISTS (
        SELECT
        FROM privacy.playbook AS n
        WHERE n.platform_id = p.platform_id
            AND n.slug = p.slug
            AND n.version > p.version
    )
    AND p.slug > :after_slug
ORDER BY p.slug
LIMIT :limit;
