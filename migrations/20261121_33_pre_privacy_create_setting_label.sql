-- Why:      the words on a settings page are those of a language, and may be put right; a template's settings never change.
-- Change:   privacy.setting_label.
-- Locks:    SHARE ROW EXCLUSIVE on privacy.template_setting while the foreign key is added.
-- Data:     no rows are written.
-- Old code: nothing reads it yet.
-- Rollback: drops every translation; the words that came with a template stay.
-- depends: 20261121_32_pre_privacy_quarantine_template

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE privacy.setting_label (
    template_id uuid NOT NULL,
    key         text NOT NULL,
    locale      text NOT NULL CONSTRAINT setting_label_locale_form
        CHECK (locale ~ '^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?(-([a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*$'),
    source      text NOT NULL CONSTRAINT setting_label_source_known CHECK (source IN ('CARRIED', 'AGREED', 'CURATED')),
    label       text NOT NULL CONSTRAINT setting_label_label_length CHECK (length(label) BETWEEN 1 AND 200),
    description text NOT NULL CONSTRAINT setting_label_description_length CHECK (length(description) <= 1000),
    CONSTRAINT setting_label_pkey PRIMARY KEY (template_id, key, locale),
    CONSTRAINT setting_label_setting_fkey FOREIGN KEY (template_id, key) REFERENCES privacy.template_setting (template_id, key)
);

COMMENT ON TABLE privacy.setting_label IS 'shared. A setting in the words of one language.';
COMMENT ON COLUMN privacy.setting_label.source IS 'CARRIED over from the template before, AGREED by enough people who sent the very same words, or CURATED.';

ALTER TABLE privacy.setting_label ENABLE ROW LEVEL SECURITY;
ALTER TABLE privacy.setting_label FORCE ROW LEVEL SECURITY;

CREATE POLICY shared ON privacy.setting_label FOR SELECT TO fivefold_api, fivefold_worker
USING ((SELECT t.id FROM privacy.template AS t WHERE t.id = template_id) IS NOT NULL);
CREATE POLICY curator_insert ON privacy.setting_label FOR INSERT TO fivefold_api
WITH CHECK ((SELECT core.is_curator()));
CREATE POLICY curator_update ON privacy.setting_label FOR UPDATE TO fivefold_api
USING ((SELECT core.is_curator()));
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON privacy.setting_label TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT, INSERT ON privacy.setting_label TO fivefold_api;
GRANT SELECT ON privacy.setting_label TO fivefold_worker;
GRANT UPDATE (source, label, description) ON privacy.setting_label TO fivefold_api;

-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_insert AFTER INSERT ON privacy.setting_label REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'template_id,key,locale', 'template_id,key,locale,source,label,description');
CREATE TRIGGER audit_update AFTER UPDATE ON privacy.setting_label REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'template_id,key,locale', 'template_id,key,locale,source,label,description');
CREATE TRIGGER audit_delete AFTER DELETE ON privacy.setting_label REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'template_id,key,locale', 'template_id,key,locale,source,label,description');
ALTER TABLE privacy.setting_label ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE privacy.setting_label ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE privacy.setting_label ENABLE ALWAYS TRIGGER audit_delete;
