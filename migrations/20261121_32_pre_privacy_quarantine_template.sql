-- Why:      a template that one person proposed must not be seen by another before enough people proposed it.
-- Change:   policies of privacy.template and privacy.template_setting; template_setting may say that a default or a risk is not known.
-- Locks:    ACCESS EXCLUSIVE on privacy.template and privacy.template_setting for a moment.
-- Data:     no rows are written.
-- Old code: goes on: every template that it knows is shared.
-- Rollback: everybody sees every proposal again.
-- depends: 20261121_31_pre_privacy_create_proposal

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- The list of one's own proposals is asked for only where a row is not shared.
ALTER POLICY shared ON privacy.template
USING (
    shared_at IS NOT NULL
    OR id IN (SELECT p.template_id FROM privacy.proposal AS p WHERE p.workspace_id = (SELECT core.current_workspace_id()))
);

ALTER POLICY curator_update ON privacy.template
USING (shared_at IS NOT NULL AND (SELECT core.is_curator()));

-- A scalar sub-query, which is never turned into a list of all templates: rows are asked for by template.
ALTER POLICY shared ON privacy.template_setting
USING ((SELECT t.id FROM privacy.template AS t WHERE t.id = template_id) IS NOT NULL);

-- allow constraint-missing-not-valid: a template has 250 settings at most, a platform a handful of templates.
-- allow ban-drop-constraint: it comes back in the same statement.
ALTER TABLE privacy.template_setting
ADD COLUMN default_known boolean NOT NULL DEFAULT true,
DROP CONSTRAINT template_setting_risk_range,
ADD CONSTRAINT template_setting_risk_range CHECK (risk BETWEEN 0 AND 100);

COMMENT ON COLUMN privacy.template_setting.default_known IS 'False where people proposed it: default_value then only packs snapshots, and is the first option whatever anybody chose.';
COMMENT ON COLUMN privacy.template_setting.risk IS '1..100: how much it exposes while it is not as recommended; 0 while nobody judged it.';
