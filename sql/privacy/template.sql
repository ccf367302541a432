-- Templates: what a platform's settings page looks like, stored once for everyone.
-- Tables: privacy.template, privacy.template_setting

-- name: activate_template :one
-- Callers hold the platform's row and have retired the active one.
UPDATE privacy.template AS t
SET state = 'ACTIVE',
    activated_at = now()
WHERE t.id = :id
RETURNING t.id, t.platform_id, t.version, t.structure_hash, t.state, t.summary, t.setting_count, t.created_at, t.activated_at;

-- name: edge_active_template :edge
-- The template that scans of each platform are taken against today.
SELECT k.position, t.id, t.platform_id, t.version, t.structure_hash, t.state, t.summary, t.setting_count, t.created_at, t.activated_at
FROM unnest(:platform_ids::uuid[]) WITH ORDINALITY AS k (platform_id, position)
JOIN privacy.template AS t ON t.platform_id = k.platform_id
WHERE t.state = 'ACTIVE';

-- name: edge_template :edge
-- The template of each snapshot.
SELECT k.position, t.id, t.platform_id, t.version, t.structure_hash, t.state, t.summary, t.setting_count, t.created_at, t.activated_at
FROM unnest(:ids::uuid[]) WITH ORDINALITY AS k (id, position)
JOIN privacy.template AS t ON t.id = k.id;

-- name: edge_template_setting :edge
-- The settings of each template, in the order of the page.
SELECT k.position, s.position AS place, s.key, s.label, s.description, s.category, s.type, s.options, s.default_value,
    s.recommended, s.risk, s.direct_link
FROM unnest(:template_ids::uuid[]) WITH ORDINALITY AS k (template_id, position)
JOIN privacy.template_setting AS s ON s.template_id = k.template_id
ORDER BY k.position, s.position;

-- name: get_scanned_template :one
-- What a scan was taken against: the active template of that structure, else the newest that was active, with the config
-- that was valid at the capture.
SELECT t.id, t.structure_hash, coalesce(c.version, 0) AS config_version
FROM privacy.template AS t
LEFT JOIN LATERAL (
    SELECT v.version
    FROM privacy.platform_config AS v
    WHERE v.platform_id = t.platform_id
        AND v.valid_from <= :captured_at
    ORDER BY v.valid_from DESC
    LIMIT 1
) AS c ON true
WHERE t.platform_id = :platform_id
    AND t.structure_hash = :structure_hash
    AND t.activated_at IS NOT NULL
ORDER BY t.state = 'ACTIVE' DESC, t.version DESC
LIMIT 1;

-- name: insert_template :one
-- A new version from the curated files; run by the owner of the tables. Nothing when the version is there.
INSERT INTO privacy.template (platform_id, version, structure_hash, setting_count, state, summary)
VALUES (:platform_id, :version, :structure_hash, :setting_count, 'PROPOSED', :summary)
ON CONFLICT (platform_id, version) DO NOTHING
RETURNING id, platform_id, version, structure_hash, state, summary, setting_count, created_at, activated_at;

-- name: insert_template_setting :exec
-- With their template, in one transaction; afterwards they never change.
INSERT INTO privacy.template_setting (
    template_id, position, key, label, description, category, type, options, default_value, recommended, risk, direct_link)
VALUES (:template_id, :place, :key, :label, :description, :category, :type, :options, :default_value, :recommended, :risk, :direct_link);

-- name: list_template :many
-- All versions of one platform, the newest first; a handful.
SELECT t.id, t.platform_id, t.version, t.structure_hash, t.state, t.summary, t.setting_count, t.created_at, t.activated_at
FROM privacy.template AS t
WHERE t.platform_id = :platform_id
ORDER BY t.version DESC;

-- name: retire_template :exec
-- One active template per platform: the old one goes before the new one comes.
UPDATE privacy.template AS t
SET state = 'RETIRED'
WHERE t.platform_id = :platform_id
    AND t.state = 'ACTIVE'
    AND t.id <> :but_id;
