SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

REVOKE UPDATE (frozen_at) ON privacy.platform FROM fivefold_api;
REVOKE UPDATE (rejection_reason) ON privacy.template FROM fivefold_api;

ALTER TABLE privacy.platform
DROP COLUMN frozen_at;

COMMENT ON COLUMN privacy.template.version IS NULL;

DROP INDEX privacy.template_file_version_idx;

-- allow constraint-missing-not-valid: a platform has a handful of templates.
-- allow ban-drop-constraint: it comes back in the same statement.
-- allow adding-not-nullable-field: as above; where a version is missing the rollback is refused.
ALTER TABLE privacy.template
DROP CONSTRAINT template_unshared_is_proposed,
DROP CONSTRAINT template_shared_has_version,
DROP CONSTRAINT template_rejected_has_reason,
DROP CONSTRAINT template_rejection_reason_length,
DROP CONSTRAINT template_state_known,
ADD CONSTRAINT template_state_known CHECK (state IN ('PROPOSED', 'ACTIVE', 'RETIRED')),
ALTER COLUMN version SET NOT NULL;

ALTER TABLE privacy.template
DROP COLUMN rejection_reason,
DROP COLUMN file_version,
DROP COLUMN shared_at;
