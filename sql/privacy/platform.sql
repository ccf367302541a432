-- Platforms: services whose privacy settings are watched.
-- Table: privacy.platform

-- name: edge_platform :edge
-- The platform of each link or template.
SELECT p.id, p.slug, p.name, p.domain, p.website_url, p.privacy_url
FROM privacy.platform AS p
WHERE p.id = ANY(:ids::uuid[]);

-- name: get_platform_by_slug :one
-- How extensions and URLs name a platform.
SELECT p.id, p.slug, p.name, p.domain, p.website_url, p.privacy_url
FROM privacy.platform AS p
WHERE p.slug = :slug;

-- name: lock_platform :one
-- Two activations of one platform's templates take turns here.
SELECT p.id, p.slug, p.name, p.domain, p.website_url, p.privacy_url
FROM privacy.platform AS p
WHERE p.id = :id
FOR NO KEY UPDATE;

-- name: page_platform :page
-- By slug, as a person would look for one.
SELECT p.id, p.slug, p.name, p.domain, p.website_url, p.privacy_url
FROM privacy.platform AS p
WHERE p.slug > :after_slug
ORDER BY p.slug
LIMIT :limit;

-- name: upsert_platform :one
-- Loads the curated files, again and again; run by the owner of the tables.
INSERT INTO privacy.platform AS p (slug, name, domain, website_url, privacy_url)
VALUES (:slug, :name, :domain, :website_url, :privacy_url)
ON CONFLICT (slug) DO UPDATE
SET name = excluded.name,
    domain = excluded.domain,
    website_url = excluded.website_url,
    privacy_url = excluded.privacy_url
RETURNING p.id, p.slug, p.name, p.domain, p.website_url, p.privacy_url;
