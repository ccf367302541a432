-- Labels: settings in the words of a language, and what curators judge of them after their template was known.
-- Tables: privacy.setting_label, privacy.setting_advice

-- name: upsert_setting_advice :exec
-- What a curator says replaces what was there.
INSERT INTO privacy.setting_advice (template_id, risk, key, source, recommended, category, direct_link)
VALUES (:template_id, :risk, :key, 'CURATED', :recommended, :category, :direct_link)
ON CONFLICT (template_id, key) DO UPDATE
SET risk = excluded.risk,
    source = excluded.source,
    recommended = excluded.recommended,
    category = excluded.category,
    direct_link = excluded.direct_link;

-- name: upsert_setting_label :exec
-- What a curator says replaces what was there.
INSERT INTO privacy.setting_label (template_id, key, locale, source, label, description)
VALUES (:template_id, :key, :locale, 'CURATED', :label, :description)
ON CONFLICT (template_id, key, locale) DO UPDATE
SET source = excluded.source,
    label = excluded.label,
    description = excluded.description;
