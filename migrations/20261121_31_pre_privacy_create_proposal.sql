-- Why:      who submitted which structure, with which words; enough different people make it everybody's.
-- Change:   privacy.proposal.
-- Locks:    SHARE ROW EXCLUSIVE on core.member and privacy.template while the foreign keys are added.
-- Data:     no rows are written.
-- Old code: nothing reads it yet.
-- Rollback: drops every proposal; templates that were shared stay.
-- depends: 20261121_30_pre_privacy_alter_template 20261120_05_pre_core_create_member

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE privacy.proposal (
    workspace_id uuid        NOT NULL,
    id           uuid        NOT NULL DEFAULT uuidv7(),
    account_id   uuid        NOT NULL,
    template_id  uuid        NOT NULL CONSTRAINT proposal_template_id_fkey REFERENCES privacy.template (id),
    submitted_at timestamptz NOT NULL DEFAULT now(),
    locale       text        NOT NULL CONSTRAINT proposal_locale_form
        CHECK (locale ~ '^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?(-([a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*$'),
    labels       jsonb       NOT NULL,
    categories   jsonb       NOT NULL,
    CONSTRAINT proposal_pkey PRIMARY KEY (workspace_id, id),
    CONSTRAINT proposal_member_fkey FOREIGN KEY (workspace_id, account_id) REFERENCES core.member (workspace_id, account_id),
    CONSTRAINT proposal_submitter_key UNIQUE (workspace_id, template_id, account_id, locale)
);

-- Serves the foreign keys, and the count of people behind one template.
CREATE INDEX proposal_workspace_id_account_id_idx ON privacy.proposal (workspace_id, account_id);
CREATE INDEX proposal_template_id_idx ON privacy.proposal (template_id);

COMMENT ON TABLE privacy.proposal IS 'owned. One person''s submission of a template''s structure, in the words of one language.';
COMMENT ON COLUMN privacy.proposal.labels IS 'Setting key -> the words on the page; free text of one person, shown to nobody else.';
COMMENT ON COLUMN privacy.proposal.categories IS 'Setting key -> category; free text of one person, as labels.';

ALTER TABLE privacy.proposal ENABLE ROW LEVEL SECURITY;
ALTER TABLE privacy.proposal FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON privacy.proposal TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON privacy.proposal TO fivefold_owner USING (true) WITH CHECK (true);

-- Written by privacy.propose_template() alone. Both roles read it: the policy of templates asks for it.
GRANT SELECT ON privacy.proposal TO fivefold_api, fivefold_worker;

-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_insert AFTER INSERT ON privacy.proposal REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,account_id,template_id,locale');
CREATE TRIGGER audit_update AFTER UPDATE ON privacy.proposal REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,account_id,template_id,locale');
CREATE TRIGGER audit_delete AFTER DELETE ON privacy.proposal REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,account_id,template_id,locale');
ALTER TABLE privacy.proposal ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE privacy.proposal ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE privacy.proposal ENABLE ALWAYS TRIGGER audit_delete;
