-- Why:      settings as rows can be queried, compared and labelled one by one.
-- Change:   privacy.template_setting, append-only.
-- Locks:    SHARE ROW EXCLUSIVE on privacy.template while the foreign key is added.
-- Data:     no rows are written.
-- Old code: nothing reads it yet.
-- Rollback: drops the settings of every template.
-- depends: 20261120_22_pre_privacy_create_template

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow prefer-bigint-over-smallint: a position is below 250, a risk at most 100.
CREATE TABLE privacy.template_setting (
    template_id   uuid     NOT NULL CONSTRAINT template_setting_template_id_fkey REFERENCES privacy.template (id),
    position      smallint NOT NULL CONSTRAINT template_setting_position_range CHECK (position BETWEEN 0 AND 249),
    risk          smallint NOT NULL CONSTRAINT template_setting_risk_range CHECK (risk BETWEEN 1 AND 100),
    key           text     NOT NULL CONSTRAINT template_setting_key_form CHECK (key ~ '^[a-z][a-z0-9_]{0,62}$'),
    type          text     NOT NULL CONSTRAINT template_setting_type_known CHECK (type IN ('TOGGLE', 'RADIO', 'SELECT')),
    category      text     NOT NULL CONSTRAINT template_setting_category_form CHECK (category ~ '^[a-z][a-z_]{0,39}$'),
    label         text     NOT NULL CONSTRAINT template_setting_label_length CHECK (length(label) BETWEEN 1 AND 200),
    description   text     NOT NULL CONSTRAINT template_setting_description_length CHECK (length(description) <= 1000),
    options       text[]   NOT NULL CONSTRAINT template_setting_options_count CHECK (cardinality(options) BETWEEN 2 AND 20),
    default_value text     NOT NULL,
    recommended   text     NOT NULL,
    direct_link   text     NOT NULL CONSTRAINT template_setting_direct_link_form CHECK (direct_link LIKE 'https://%'),
    CONSTRAINT template_setting_pkey PRIMARY KEY (template_id, position),
    CONSTRAINT template_setting_template_id_key_key UNIQUE (template_id, key),
    CONSTRAINT template_setting_values_are_options CHECK (default_value = ANY (options) AND recommended = ANY (options)),
    CONSTRAINT template_setting_toggle_options CHECK (type <> 'TOGGLE' OR options = ARRAY['on', 'off'])
);

COMMENT ON TABLE privacy.template_setting IS 'shared. One setting of a template. Not audited row by row: the template''s event holds the hash, and rows never change.';
COMMENT ON COLUMN privacy.template_setting.position IS 'Place in packed snapshots; part of their format.';
COMMENT ON COLUMN privacy.template_setting.risk IS '1..100: how much it exposes while it is not as recommended.';

ALTER TABLE privacy.template_setting ENABLE ROW LEVEL SECURITY;
ALTER TABLE privacy.template_setting FORCE ROW LEVEL SECURITY;

-- allow always-true-policy: a shared noun is readable by everyone.
CREATE POLICY shared ON privacy.template_setting FOR SELECT TO fivefold_api, fivefold_worker USING (true);
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON privacy.template_setting TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT ON privacy.template_setting TO fivefold_api, fivefold_worker;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON privacy.template_setting
FOR EACH ROW EXECUTE FUNCTION core.refuse_change();
ALTER TABLE privacy.template_setting ENABLE ALWAYS TRIGGER append_only;
