-- Purposes: what people may consent to, in versions.
-- Table: core.consent_purpose

-- name: get_consent_purpose :one
-- The version that holds now.
SELECT p.slug, p.version, p.title, p.text, p.renews, p.valid_from
FROM core.consent_purpose AS p
WHERE p.slug = :purpose
    AND p.valid_from <= now()
ORDER BY p.version DESC
LIMIT 1;

-- name: get_published_purpose :one
-- For the repetition of a request.
SELECT p.slug, p.version, p.title, p.text, p.renews, p.valid_from
FROM core.consent_purpose AS p
WHERE p.id = :id;

-- name: insert_consent_purpose :one
-- By a curator: the next version; nothing when a version begins at this moment or later.
INSERT INTO core.consent_purpose (slug, version, title, text, renews, valid_from)
SELECT :slug::text, coalesce(max(p.version), 0) + 1, :title, :text, :renews, coalesce(:valid_from::timestamptz, now())
FROM core.consent_purpose AS p
WHERE p.slug = :slug::text
HAVING coalesce(max(p.valid_from) < coalesce(:valid_from::timestamptz, now()), true)
RETURNING id;

-- name: list_consent_purpose :many
-- The version of each that holds now.
SELECT DISTINCT ON (p.slug) p.slug, p.version, p.title, p.text, p.renews, p.valid_from
FROM core.consent_purpose AS p
WHERE p.valid_from <= now()
ORDER BY p.slug, p.version DESC
LIMIT 100;
