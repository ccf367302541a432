-- Why:      people propose templates; until enough of them agree, a proposal is nobody else's to see.
-- Change:   privacy.template: shared_at, file_version, rejection_reason; version is null before a template is shared; state REJECTED.
--           privacy.platform: frozen_at.
-- Locks:    ACCESS EXCLUSIVE on privacy.template and privacy.platform for a moment; SHARE on privacy.template while the index is made.
-- Data:     every template that is there came from a file: it is marked as shared, and its version becomes its file's.
-- Old code: goes on; what it adds is shared, as before.
-- Rollback: refused while a template is in quarantine or rejected.
-- depends: 20261120_23_pre_privacy_create_template_setting

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow prefer-bigint-over-int: file_version counts the files of one platform.
ALTER TABLE privacy.template
ADD COLUMN shared_at timestamptz DEFAULT now(),
ADD COLUMN file_version integer,
ADD COLUMN rejection_reason text;

UPDATE privacy.template
SET shared_at = created_at,
    file_version = version;

-- allow ban-drop-not-null: the first code that writes a null here reads them too.
-- allow constraint-missing-not-valid: a platform has a handful of templates.
-- allow ban-drop-constraint: it comes back in the same statement.
ALTER TABLE privacy.template
ALTER COLUMN version DROP NOT NULL,
DROP CONSTRAINT template_state_known,
ADD CONSTRAINT template_state_known CHECK (state IN ('PROPOSED', 'ACTIVE', 'RETIRED', 'REJECTED')),
ADD CONSTRAINT template_rejection_reason_length CHECK (length(rejection_reason) BETWEEN 1 AND 500),
ADD CONSTRAINT template_rejected_has_reason CHECK ((state = 'REJECTED') = (rejection_reason IS NOT NULL)),
ADD CONSTRAINT template_shared_has_version CHECK ((shared_at IS NULL) = (version IS NULL)),
ADD CONSTRAINT template_unshared_is_proposed CHECK (shared_at IS NOT NULL OR state = 'PROPOSED');

-- allow require-concurrent-index-creation: a platform has a handful of templates.
CREATE UNIQUE INDEX template_file_version_idx ON privacy.template (platform_id, file_version);

COMMENT ON COLUMN privacy.template.shared_at IS 'Since when everybody sees it; NULL while only the workspaces that proposed it do.';
COMMENT ON COLUMN privacy.template.file_version IS 'Version in the curated file that it came from; NULL when people proposed it.';
COMMENT ON COLUMN privacy.template.version IS 'Counted when it is shared: a number taken earlier would tell that there is a proposal.';

-- Templates of a frozen platform become active by a curator's word only.
ALTER TABLE privacy.platform
ADD COLUMN frozen_at timestamptz;

COMMENT ON COLUMN privacy.platform.frozen_at IS 'Since when only a curator activates its templates; NULL while enough people do.';

GRANT UPDATE (rejection_reason) ON privacy.template TO fivefold_api;
GRANT UPDATE (frozen_at) ON privacy.platform TO fivefold_api;
