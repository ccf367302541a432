-- Proposals: one person's submission of a template's structure, in the words of one language.
-- Table: privacy.proposal

-- name: freeze_platform :one
-- While it is frozen, only a curator activates its templates.
UPDATE privacy.platform AS p
SET frozen_at = CASE WHEN :frozen THEN coalesce(p.frozen_at, now()) END
WHERE p.slug = :slug
RETURNING p.id, p.slug, p.name, p.domain, p.website_url, p.privacy_url;

-- name: page_proposed_template :page
-- What waits for a curator: shared, so past quarantine, and never active.
SELECT t.id, t.platform_id, coalesce(t.version, 0) AS version, t.structure_hash, t.state, t.summary, t.setting_count,
    t.created_at AS recorded_at, t.activated_at, t.shared_at, t.rejection_reason
FROM privacy.template AS t
WHERE t.id < :after_id
    AND t.state = 'PROPOSED'
    AND t.shared_at IS NOT NULL
ORDER BY t.id DESC
LIMIT :limit;

-- name: propose_template :one
-- Whatever others have proposed, what comes back says nothing of it before enough people proposed the same.
SELECT r.template_id, r.outcome
FROM privacy.propose_template(
    :platform_id, :template_id, :structure_hash, :settings, :locale, :labels, :categories, :people, :open_at_most, :summary) AS r;
