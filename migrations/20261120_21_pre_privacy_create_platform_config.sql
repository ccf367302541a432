-- Why:      an extension reads a settings page by patterns and selectors that change without a release.
-- Change:   privacy.platform_config, append-only.
-- Locks:    SHARE ROW EXCLUSIVE on privacy.platform while the foreign key is added.
-- Data:     no rows are written.
-- Old code: nothing reads it yet.
-- Rollback: drops every version of every configuration.
-- depends: 20261120_20_pre_privacy_create_platform

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow prefer-bigint-over-int: version counts the configs of one platform.
CREATE TABLE privacy.platform_config (
    id           uuid        NOT NULL DEFAULT uuidv7() CONSTRAINT platform_config_pkey PRIMARY KEY,
    platform_id  uuid        NOT NULL CONSTRAINT platform_config_platform_id_fkey REFERENCES privacy.platform (id),
    valid_from   timestamptz NOT NULL,
    version      integer     NOT NULL CONSTRAINT platform_config_version_positive CHECK (version > 0),
    url_patterns text[]      NOT NULL CONSTRAINT platform_config_url_patterns_count CHECK (cardinality(url_patterns) BETWEEN 1 AND 50),
    selectors    jsonb       NOT NULL CONSTRAINT platform_config_selectors_form CHECK (jsonb_typeof(selectors) = 'object'),
    CONSTRAINT platform_config_platform_id_version_key UNIQUE (platform_id, version),
    CONSTRAINT platform_config_platform_id_valid_from_key UNIQUE (platform_id, valid_from)
);

COMMENT ON TABLE privacy.platform_config IS 'shared. How a settings page is found and read; a change is a new version.';
COMMENT ON COLUMN privacy.platform_config.valid_from IS 'Valid until the next version''s valid_from: ranges cannot overlap because their ends are not stored.';

ALTER TABLE privacy.platform_config ENABLE ROW LEVEL SECURITY;
ALTER TABLE privacy.platform_config FORCE ROW LEVEL SECURITY;

-- allow always-true-policy: a shared noun is readable by everyone.
CREATE POLICY shared ON privacy.platform_config FOR SELECT TO fivefold_api, fivefold_worker USING (true);
CREATE POLICY curator_insert ON privacy.platform_config FOR INSERT TO fivefold_api
WITH CHECK ((SELECT core.is_curator()));
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON privacy.platform_config TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT, INSERT ON privacy.platform_config TO fivefold_api;
GRANT SELECT ON privacy.platform_config TO fivefold_worker;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON privacy.platform_config
FOR EACH ROW EXECUTE FUNCTION core.refuse_change();
ALTER TABLE privacy.platform_config ENABLE ALWAYS TRIGGER append_only;

-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_insert AFTER INSERT ON privacy.platform_config REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'id', 'id,platform_id,version,valid_from,url_patterns,selectors');
ALTER TABLE privacy.platform_config ENABLE ALWAYS TRIGGER audit_insert;
