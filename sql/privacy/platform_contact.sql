-- Platform contacts: whom to write to under which law, version by version.
-- Table: privacy.platform_contact

-- name: edge_platform_contact :edge
-- For node(id) and for what a mutation answers; older versions too.
SELECT c.id, c.platform_id, c.regime, c.version, c.organization, c.email, c.url, c.postal_address, c.required_elements,
    c.quality, c.verified_at, c.created_at, c.digest
FROM privacy.platform_contact AS c
WHERE c.id = ANY(:ids::uuid[]);

-- name: edge_platform_contact_of_platform :edge
-- The newest version under each law.
SELECT k.position, c.id, c.platform_id, c.regime, c.version, c.organization, c.email, c.url, c.postal_address, c.required_elements,
    c.quality, c.verified_at, c.created_at, c.digest
FROM unnest(:platform_ids::uuid[]) WITH ORDINALITY AS k (platform_id, position)
JOIN privacy.platform_contact AS c ON c.platform_id = k.platform_id
WHERE NOT EXISTS (
    SELECT
    FROM privacy.platform_contact AS n
    WHERE n.platform_id = c.platform_id
        AND n.regime = c.regime
        AND n.version > c.version
)
ORDER BY k.position, c.regime;

-- name: insert_platform_contact :one
-- The next version of a platform's contact; callers hold the platform's row, so versions have no gap and no double.
INSERT INTO privacy.platform_contact (
    platform_id, regime, version, organization, email, url, postal_address, required_elements, quality, verified_at, digest)
SELECT :platform_id, :regime, coalesce(max(c.version), 0) + 1, :organization, :email, :url, :postal_address, :required_elements,
    :quality, :verified_at, :digest
FROM privacy.platform_contact AS c
WHERE c.platform_id = :platform_id
    AND c.regime = :regime
RETURNING id, platform_id, regime, version, organization, email, url, postal_address, required_elements, quality, verified_at,
    created_at, digest;

-- name: list_platform_contact :many
-- All versions of one platform, the newest first; a handful.
SELECT c.id, c.platform_id, c.regime, c.version, c.organization, c.email, c.url, c.postal_address, c.required_elements, c.quality,
    c.verified_at, c.created_at, c.digest
FROM privacy.platform_contact AS c
WHERE c.platform_id = :platform_id
ORDER BY c.regime, c.version DESC;
