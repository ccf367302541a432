-- Templates: what a platform's settings page looks like, stored once for everyone.
-- Tables: privacy.template, privacy.template_setting. Policies hide a template in quarantine, and all that belongs to it, from
-- every workspace that did not propose it.

-- name: activate_template :one
-- Callers hold the platform's row and have retired the active one.
UPDATE privacy.template AS t
SET state = 'ACTIVE',
    activated_at = now()
WHERE t.id = :id
RETURNING t.id, t.platform_id, coalesce(t.version, 0) AS version, t.structure_hash, t.state, t.summary, t.setting_count,
    t.created_at AS recorded_at, t.activated_at, t.shared_at, t.rejection_reason;

-- name: edge_active_template :edge
-- The template that scans of each platform are taken against today.
SELECT k.position, t.id, t.platform_id, coalesce(t.version, 0) AS version, t.structure_hash, t.state, t.summary, t.setting_count,
    t.created_at AS recorded_at, t.activated_at, t.shared_at, t.rejection_reason
FROM unnest(:platform_ids::uuid[]) WITH ORDINALITY AS k (platform_id, position)
JOIN privacy.template AS t ON t.platform_id = k.platform_id
WHERE t.state = 'ACTIVE';

-- name: edge_own_proposal :edge
-- What the workspace itself submitted for each template, the newest last.
SELECT k.position, p.submitted_at, p.locale, p.labels, p.categories
FROM unnest(:template_ids::uuid[]) WITH ORDINALITY AS k (template_id, position)
JOIN privacy.proposal AS p ON p.template_id = k.template_id
WHERE p.workspace_id = :workspace_id
ORDER BY k.position, p.id;

-- name: edge_previous_template :edge
-- The version before each; before one that has no version yet, the newest.
SELECT k.position, t.id, t.platform_id, coalesce(t.version, 0) AS version, t.structure_hash, t.state, t.summary, t.setting_count,
    t.created_at AS recorded_at, t.activated_at, t.shared_at, t.rejection_reason
FROM unnest(:platform_ids::uuid[], :versions::integer[]) WITH ORDINALITY AS k (platform_id, version, position)
CROSS JOIN LATERAL (
    SELECT p.*
    FROM privacy.template AS p
    WHERE p.platform_id = k.platform_id
        AND p.version < coalesce(nullif(k.version, 0), 2147483647)
        AND p.state IN ('ACTIVE', 'RETIRED')
    ORDER BY p.version DESC
    LIMIT 1
) AS t;

-- name: edge_template :edge
-- The template of each snapshot.
SELECT t.id, t.platform_id, coalesce(t.version, 0) AS version, t.structure_hash, t.state, t.summary, t.setting_count,
    t.created_at AS recorded_at, t.activated_at, t.shared_at, t.rejection_reason
FROM privacy.template AS t
WHERE t.id = ANY(:ids::uuid[]);

-- name: edge_template_of_platform :edge
-- The versions of each platform that everybody sees, the newest first.
SELECT k.position, t.id, t.platform_id, t.version, t.structure_hash, t.state, t.summary, t.setting_count,
    t.created_at AS recorded_at, t.activated_at, t.shared_at, t.rejection_reason
FROM unnest(:platform_ids::uuid[]) WITH ORDINALITY AS k (platform_id, position)
CROSS JOIN LATERAL (
    SELECT h.id, h.platform_id, coalesce(h.version, 0) AS version, h.structure_hash, h.state, h.summary, h.setting_count, h.created_at,
        h.activated_at, h.shared_at, h.rejection_reason
    FROM privacy.template AS h
    WHERE h.platform_id = k.platform_id
        AND h.version < :after_version::integer
    ORDER BY h.version DESC
    LIMIT :limit
) AS t
ORDER BY k.position, t.version DESC;

-- name: edge_template_setting :edge
-- The settings of each template, in the order of the page, as they are judged today and with the words of every language.
SELECT k.position, s.position AS place, t.platform_id, t.shared_at IS NOT NULL AS shared, s.key, s.label, s.description, s.type, s.options,
    s.default_value, s.default_known, coalesce(a.category, s.category) AS category, coalesce(a.recommended, s.recommended) AS recommended,
    coalesce(a.risk, s.risk) AS risk, coalesce(a.direct_link, s.direct_link) AS direct_link,
    (
        SELECT jsonb_object_agg(l.locale, jsonb_build_array(l.label, l.description))
        FROM privacy.setting_label AS l
        WHERE l.template_id = s.template_id
            AND l.key = s.key
    ) AS words
FROM unnest(:template_ids::uuid[]) WITH ORDINALITY AS k (template_id, position)
JOIN privacy.template AS t ON t.id = k.template_id
JOIN privacy.template_setting AS s ON s.template_id = t.id
LEFT JOIN privacy.setting_advice AS a ON a.template_id = s.template_id AND a.key = s.key
ORDER BY k.position, s.position;

-- name: insert_template :one
-- The next version, from the curated files; run by the owner of the tables, who holds the platform's row. Nothing when that
-- file's version is there.
INSERT INTO privacy.template (platform_id, version, file_version, structure_hash, setting_count, state, summary)
SELECT :platform_id, coalesce(max(v.version), 0) + 1, :file_version, :structure_hash, :setting_count, 'PROPOSED', :summary
FROM privacy.template AS v
WHERE v.platform_id = :platform_id
ON CONFLICT (platform_id, file_version) DO NOTHING
RETURNING id, platform_id, coalesce(version, 0) AS version, structure_hash, state, summary, setting_count, created_at AS recorded_at,
    activated_at, shared_at, rejection_reason;

-- name: insert_template_setting :exec
-- With their template, in one transaction; afterwards they never change.
INSERT INTO privacy.template_setting (
    template_id, position, key, label, description, category, type, options, default_value, recommended, risk, direct_link)
VALUES (:template_id, :place, :key, :label, :description, :category, :type, :options, :default_value, :recommended, :risk, :direct_link);

-- name: list_curated_template :many
-- What the files of one platform brought, the newest first; run by the owner of the tables.
SELECT t.id, t.platform_id, t.file_version, t.structure_hash, t.activated_at
FROM privacy.template AS t
WHERE t.platform_id = :platform_id
    AND t.file_version IS NOT NULL
ORDER BY t.file_version DESC;

-- name: list_template :many
-- All versions of one platform, the newest first; a handful.
SELECT t.id, t.platform_id, coalesce(t.version, 0) AS version, t.structure_hash, t.state, t.summary, t.setting_count,
    t.created_at AS recorded_at, t.activated_at, t.shared_at, t.rejection_reason
FROM privacy.template AS t
WHERE t.platform_id = :platform_id
    AND t.shared_at IS NOT NULL
ORDER BY t.version DESC;

-- name: reject_template :one
-- Callers hold the platform's row and have seen that it is neither active nor in quarantine.
UPDATE privacy.template AS t
SET state = 'REJECTED',
    rejection_reason = :reason
WHERE t.id = :id
RETURNING t.id, t.platform_id, coalesce(t.version, 0) AS version, t.structure_hash, t.state, t.summary, t.setting_count,
    t.created_at AS recorded_at, t.activated_at, t.shared_at, t.rejection_reason;

-- name: retire_template :exec
-- One active template per platform: the old one goes before the new one comes.
UPDATE privacy.template AS t
SET state = 'RETIRED'
WHERE t.platform_id = :platform_id
    AND t.state = 'ACTIVE'
    AND t.id <> :but_id;
