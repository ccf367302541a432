SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

COMMENT ON COLUMN privacy.template_setting.risk IS '1..100: how much it exposes while it is not as recommended.';

-- allow constraint-missing-not-valid: a template has 250 settings at most, a platform a handful of templates.
-- allow ban-drop-constraint: it comes back in the same statement.
ALTER TABLE privacy.template_setting
DROP CONSTRAINT template_setting_risk_range,
ADD CONSTRAINT template_setting_risk_range CHECK (risk BETWEEN 1 AND 100),
DROP COLUMN default_known;

-- allow always-true-policy: a shared noun is readable by everyone.
ALTER POLICY shared ON privacy.template_setting USING (true);

ALTER POLICY curator_update ON privacy.template
USING ((SELECT core.is_curator()));

-- allow always-true-policy: a shared noun is readable by everyone.
ALTER POLICY shared ON privacy.template USING (true);
