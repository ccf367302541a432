-- Why:      people are led through what to change, step by step.
-- Change:   privacy.playbook and privacy.playbook_step.
-- Locks:    SHARE ROW EXCLUSIVE on privacy.platform while the foreign key is added.
-- Data:     no rows are written; `fivefold seed` loads the curated files.
-- Old code: nothing reads it yet.
-- Rollback: drops the playbooks; the files have them still.
-- depends: 20261120_20_pre_privacy_create_platform

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow prefer-bigint-over-int: version counts the versions of one playbook.
CREATE TABLE privacy.playbook (
    id          uuid        NOT NULL DEFAULT uuidv7() CONSTRAINT playbook_pkey PRIMARY KEY,
    platform_id uuid        NOT NULL CONSTRAINT playbook_platform_id_fkey REFERENCES privacy.platform (id),
    created_at  timestamptz NOT NULL DEFAULT now(),
    version     integer     NOT NULL CONSTRAINT playbook_version_positive CHECK (version > 0),
    digest      bytea       NOT NULL CONSTRAINT playbook_digest_length CHECK (octet_length(digest) = 32),
    slug        text        NOT NULL CONSTRAINT playbook_slug_form CHECK (slug ~ '^[a-z0-9-]{1,50}$'),
    title       text        NOT NULL CONSTRAINT playbook_title_length CHECK (length(title) BETWEEN 1 AND 100),
    summary     text        NOT NULL CONSTRAINT playbook_summary_length CHECK (length(summary) <= 500),
    CONSTRAINT playbook_platform_id_slug_version_key UNIQUE (platform_id, slug, version)
);

COMMENT ON TABLE privacy.playbook IS 'shared. Steps that lead to better settings on one platform; a change is a new version.';
COMMENT ON COLUMN privacy.playbook.digest IS 'sha256 of the RFC 8785 JSON of its content: a file that was edited without a new version is noticed.';

-- allow prefer-bigint-over-smallint: a position in a list of thirty.
CREATE TABLE privacy.playbook_step (
    playbook_id uuid     NOT NULL CONSTRAINT playbook_step_playbook_id_fkey REFERENCES privacy.playbook (id),
    number      smallint NOT NULL CONSTRAINT playbook_step_number_range CHECK (number BETWEEN 1 AND 30),
    text        text     NOT NULL CONSTRAINT playbook_step_text_length CHECK (length(text) BETWEEN 1 AND 500),
    setting     text     CONSTRAINT playbook_step_setting_form CHECK (setting ~ '^[a-z][a-z0-9_]{0,62}$'),
    target      text     CONSTRAINT playbook_step_target_length CHECK (length(target) BETWEEN 1 AND 100),
    direct_link text     NOT NULL CONSTRAINT playbook_step_direct_link_form CHECK (direct_link LIKE 'https://%'),
    CONSTRAINT playbook_step_pkey PRIMARY KEY (playbook_id, number),
    CONSTRAINT playbook_step_setting_has_target CHECK ((setting IS NULL) = (target IS NULL))
);

COMMENT ON TABLE privacy.playbook_step IS 'shared. One step of a playbook. Not audited row by row: the playbook''s event holds the digest, and rows never change.';
COMMENT ON COLUMN privacy.playbook_step.setting IS 'NULL for a step that no scan can see.';

ALTER TABLE privacy.playbook ENABLE ROW LEVEL SECURITY;
ALTER TABLE privacy.playbook FORCE ROW LEVEL SECURITY;
ALTER TABLE privacy.playbook_step ENABLE ROW LEVEL SECURITY;
ALTER TABLE privacy.playbook_step FORCE ROW LEVEL SECURITY;

-- allow always-true-policy: a shared noun is readable by everyone.
CREATE POLICY shared ON privacy.playbook FOR SELECT TO fivefold_api, fivefold_worker USING (true);
-- allow always-true-policy: a shared noun is readable by everyone.
CREATE POLICY shared ON privacy.playbook_step FOR SELECT TO fivefold_api, fivefold_worker USING (true);
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON privacy.playbook TO fivefold_owner USING (true) WITH CHECK (true);
-- allow always-true-policy: as above.
CREATE POLICY owner ON privacy.playbook_step TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT ON privacy.playbook, privacy.playbook_step TO fivefold_api, fivefold_worker;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON privacy.playbook
FOR EACH ROW EXECUTE FUNCTION core.refuse_change();
ALTER TABLE privacy.playbook ENABLE ALWAYS TRIGGER append_only;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON privacy.playbook_step
FOR EACH ROW EXECUTE FUNCTION core.refuse_change();
ALTER TABLE privacy.playbook_step ENABLE ALWAYS TRIGGER append_only;

-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_insert AFTER INSERT ON privacy.playbook REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'id', 'id,platform_id,slug,version,digest');
ALTER TABLE privacy.playbook ENABLE ALWAYS TRIGGER audit_insert;
