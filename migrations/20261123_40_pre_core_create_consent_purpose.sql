-- Why:      what people are asked to consent to is a text with versions, and what somebody once agreed to stays readable.
-- Change:   core.consent_purpose.
-- Locks:    none on existing tables.
-- Data:     no purposes: a product that needs a consent has its own published.
-- Old code: nothing reads it yet.
-- Rollback: drops every purpose.
-- depends: 20261122_02_pre_core_create_data_inventory 20261120_05_pre_core_create_member

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow prefer-bigint-over-int: versions of a text are a few.
CREATE TABLE core.consent_purpose (
    id         uuid        NOT NULL DEFAULT uuidv7() CONSTRAINT consent_purpose_pkey PRIMARY KEY,
    valid_from timestamptz NOT NULL,
    version    integer     NOT NULL CONSTRAINT consent_purpose_version_positive CHECK (version > 0),
    renews     boolean     NOT NULL DEFAULT false,
    slug       text        NOT NULL CONSTRAINT consent_purpose_slug_form CHECK (slug ~ '^[a-z][a-z0-9_]{0,39}$'),
    title      text        NOT NULL CONSTRAINT consent_purpose_title_length CHECK (length(title) BETWEEN 1 AND 120),
    text       text        NOT NULL CONSTRAINT consent_purpose_text_length CHECK (length(text) BETWEEN 1 AND 10000),
    CONSTRAINT consent_purpose_version_key UNIQUE (slug, version),
    CONSTRAINT consent_purpose_renews_something CHECK (version > 1 OR NOT renews)
);

COMMENT ON TABLE core.consent_purpose IS 'shared. What people may consent to: each version holds from a moment on, until the next. Append-only.';
COMMENT ON COLUMN core.consent_purpose.renews IS 'Consents that held for the version before hold for this one too; otherwise everybody is asked again.';
COMMENT ON COLUMN core.consent_purpose.text IS 'What is agreed to, word for word.';

ALTER TABLE core.consent_purpose ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.consent_purpose FORCE ROW LEVEL SECURITY;
-- allow always-true-policy: a shared noun is readable by everyone.
CREATE POLICY shared ON core.consent_purpose FOR SELECT TO fivefold_api, fivefold_worker USING (true);
CREATE POLICY curator_insert ON core.consent_purpose FOR INSERT TO fivefold_api
WITH CHECK ((SELECT core.is_curator()));
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON core.consent_purpose TO fivefold_owner USING (true) WITH CHECK (true);
GRANT SELECT ON core.consent_purpose TO fivefold_api, fivefold_worker;
GRANT INSERT ON core.consent_purpose TO fivefold_api;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON core.consent_purpose
FOR EACH ROW EXECUTE FUNCTION core.refuse_change();
ALTER TABLE core.consent_purpose ENABLE ALWAYS TRIGGER append_only;
-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_insert AFTER INSERT ON core.consent_purpose REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'id', 'id,slug,version,valid_from,renews,title');
ALTER TABLE core.consent_purpose ENABLE ALWAYS TRIGGER audit_insert;

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.consent_purpose', 'id', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('core.consent_purpose', 'valid_from', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('core.consent_purpose', 'version', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('core.consent_purpose', 'renews', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('core.consent_purpose', 'slug', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('core.consent_purpose', 'title', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('core.consent_purpose', 'text', 'shared', 'service', 'omit', 'keep', 'product', NULL);
