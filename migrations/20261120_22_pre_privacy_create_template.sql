-- Why:      what a platform's settings page looks like is stored once, for everyone.
-- Change:   privacy.template.
-- Locks:    SHARE ROW EXCLUSIVE on privacy.platform while the foreign key is added.
-- Data:     no rows are written.
-- Old code: nothing reads it yet.
-- Rollback: drops every template.
-- depends: 20261120_20_pre_privacy_create_platform

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow prefer-bigint-over-int: version counts the templates of one platform.
-- allow prefer-bigint-over-smallint: a template has 250 settings at most.
CREATE TABLE privacy.template (
    id             uuid        NOT NULL DEFAULT uuidv7() CONSTRAINT template_pkey PRIMARY KEY,
    platform_id    uuid        NOT NULL CONSTRAINT template_platform_id_fkey REFERENCES privacy.platform (id),
    created_at     timestamptz NOT NULL DEFAULT now(),
    activated_at   timestamptz,
    version        integer     NOT NULL CONSTRAINT template_version_positive CHECK (version > 0),
    setting_count  smallint    NOT NULL CONSTRAINT template_setting_count_range CHECK (setting_count BETWEEN 1 AND 250),
    structure_hash bytea       NOT NULL CONSTRAINT template_structure_hash_length CHECK (octet_length(structure_hash) = 32),
    state          text        NOT NULL CONSTRAINT template_state_known CHECK (state IN ('PROPOSED', 'ACTIVE', 'RETIRED')),
    summary        text        NOT NULL CONSTRAINT template_summary_length CHECK (length(summary) <= 500),
    CONSTRAINT template_platform_id_version_key UNIQUE (platform_id, version)
);

CREATE UNIQUE INDEX template_one_active_idx ON privacy.template (platform_id) WHERE state = 'ACTIVE';
-- Serves the look-up of what a snapshot was taken against. Not unique: a default may change where the structure does not.
CREATE INDEX template_platform_id_structure_hash_idx ON privacy.template (platform_id, structure_hash);

COMMENT ON TABLE privacy.template IS 'shared. One version of one platform''s settings page; its settings never change, only its state does.';
COMMENT ON COLUMN privacy.template.structure_hash IS 'sha256 of RFC 8785 JSON over [{key, type, options}] sorted by key.';

ALTER TABLE privacy.template ENABLE ROW LEVEL SECURITY;
ALTER TABLE privacy.template FORCE ROW LEVEL SECURITY;

-- allow always-true-policy: a shared noun is readable by everyone.
CREATE POLICY shared ON privacy.template FOR SELECT TO fivefold_api, fivefold_worker USING (true);
CREATE POLICY curator_update ON privacy.template FOR UPDATE TO fivefold_api
USING ((SELECT core.is_curator()));
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON privacy.template TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT ON privacy.template TO fivefold_api, fivefold_worker;
GRANT UPDATE (state, activated_at) ON privacy.template TO fivefold_api;

-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_insert AFTER INSERT ON privacy.template REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'id', 'id,platform_id,version,structure_hash,setting_count,state');
CREATE TRIGGER audit_update AFTER UPDATE ON privacy.template REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'id', 'id,platform_id,version,structure_hash,setting_count,state');
CREATE TRIGGER audit_delete AFTER DELETE ON privacy.template REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'id', 'id,platform_id,version,structure_hash,setting_count,state');
ALTER TABLE privacy.template ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE privacy.template ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE privacy.template ENABLE ALWAYS TRIGGER audit_delete;
