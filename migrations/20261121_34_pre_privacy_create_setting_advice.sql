-- Why:      what is recommended, and how much a setting exposes, is judged after its template is known, and judged again.
-- Change:   privacy.setting_advice.
-- Locks:    SHARE ROW EXCLUSIVE on privacy.template_setting while the foreign key is added.
-- Data:     no rows are written.
-- Old code: nothing reads it yet.
-- Rollback: drops every later judgement; what came with a template stays.
-- depends: 20261121_32_pre_privacy_quarantine_template

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow prefer-bigint-over-smallint: a risk is at most 100.
CREATE TABLE privacy.setting_advice (
    template_id uuid     NOT NULL,
    risk        smallint NOT NULL CONSTRAINT setting_advice_risk_range CHECK (risk BETWEEN 0 AND 100),
    key         text     NOT NULL,
    source      text     NOT NULL CONSTRAINT setting_advice_source_known CHECK (source IN ('CARRIED', 'AGREED', 'CURATED')),
    recommended text     NOT NULL,
    category    text     NOT NULL CONSTRAINT setting_advice_category_form CHECK (category ~ '^[a-z][a-z_]{0,39}$'),
    direct_link text     NOT NULL CONSTRAINT setting_advice_direct_link_form CHECK (direct_link LIKE 'https://%'),
    CONSTRAINT setting_advice_pkey PRIMARY KEY (template_id, key),
    CONSTRAINT setting_advice_setting_fkey FOREIGN KEY (template_id, key) REFERENCES privacy.template_setting (template_id, key)
);

COMMENT ON TABLE privacy.setting_advice IS 'shared. What protects best, how much is at stake, and where to change it; replaces what came with the template.';
COMMENT ON COLUMN privacy.setting_advice.source IS 'CARRIED over from the template before, AGREED by enough people (the category only), or CURATED.';

ALTER TABLE privacy.setting_advice ENABLE ROW LEVEL SECURITY;
ALTER TABLE privacy.setting_advice FORCE ROW LEVEL SECURITY;

CREATE POLICY shared ON privacy.setting_advice FOR SELECT TO fivefold_api, fivefold_worker
USING ((SELECT t.id FROM privacy.template AS t WHERE t.id = template_id) IS NOT NULL);
CREATE POLICY curator_insert ON privacy.setting_advice FOR INSERT TO fivefold_api
WITH CHECK ((SELECT core.is_curator()));
CREATE POLICY curator_update ON privacy.setting_advice FOR UPDATE TO fivefold_api
USING ((SELECT core.is_curator()));
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON privacy.setting_advice TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT, INSERT ON privacy.setting_advice TO fivefold_api;
GRANT SELECT ON privacy.setting_advice TO fivefold_worker;
GRANT UPDATE (source, risk, recommended, category, direct_link) ON privacy.setting_advice TO fivefold_api;

-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_insert AFTER INSERT ON privacy.setting_advice REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'template_id,key', 'template_id,key,source,risk,recommended,category,direct_link');
CREATE TRIGGER audit_update AFTER UPDATE ON privacy.setting_advice REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'template_id,key', 'template_id,key,source,risk,recommended,category,direct_link');
CREATE TRIGGER audit_delete AFTER DELETE ON privacy.setting_advice REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'template_id,key', 'template_id,key,source,risk,recommended,category,direct_link');
ALTER TABLE privacy.setting_advice ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE privacy.setting_advice ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE privacy.setting_advice ENABLE ALWAYS TRIGGER audit_delete;
