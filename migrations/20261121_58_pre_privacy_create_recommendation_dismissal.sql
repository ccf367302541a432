-- Why:      a person decides that a recommendation is not for them, and is not told again while nothing changes.
-- Change:   privacy.recommendation_dismissal.
-- Locks:    SHARE ROW EXCLUSIVE on privacy.platform_link while the foreign key is added.
-- Data:     no rows are written.
-- Old code: nothing reads it yet.
-- Rollback: drops the dismissals: all recommendations are shown again.
-- depends: 20261120_24_pre_privacy_create_platform_link 20261121_55_pre_privacy_create_seen_setting

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE privacy.recommendation_dismissal (
    workspace_id uuid        NOT NULL,
    link_id      uuid        NOT NULL,
    dismissed_at timestamptz NOT NULL DEFAULT now(),
    setting      text        NOT NULL,
    value        text        NOT NULL,
    recommended  text        NOT NULL,
    reason       text        CONSTRAINT recommendation_dismissal_reason_length CHECK (length(reason) <= 500),
    CONSTRAINT recommendation_dismissal_pkey PRIMARY KEY (workspace_id, link_id, setting),
    CONSTRAINT recommendation_dismissal_link_fkey FOREIGN KEY (workspace_id, link_id) REFERENCES privacy.platform_link (workspace_id, id)
);

COMMENT ON TABLE privacy.recommendation_dismissal IS 'owned. A recommendation that the person does not want to follow.';
COMMENT ON COLUMN privacy.recommendation_dismissal.value IS 'What the setting was then; with another value the recommendation comes back.';
COMMENT ON COLUMN privacy.recommendation_dismissal.recommended IS 'What was recommended then; another recommendation comes back.';

ALTER TABLE privacy.recommendation_dismissal ENABLE ROW LEVEL SECURITY;
ALTER TABLE privacy.recommendation_dismissal FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON privacy.recommendation_dismissal TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON privacy.recommendation_dismissal TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, DELETE ON privacy.recommendation_dismissal TO fivefold_api;
GRANT UPDATE (value, recommended, reason, dismissed_at) ON privacy.recommendation_dismissal TO fivefold_api;

-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_insert AFTER INSERT ON privacy.recommendation_dismissal REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'link_id,setting', 'link_id,setting');
CREATE TRIGGER audit_update AFTER UPDATE ON privacy.recommendation_dismissal REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'link_id,setting', 'link_id,setting,dismissed_at');
CREATE TRIGGER audit_delete AFTER DELETE ON privacy.recommendation_dismissal REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'link_id,setting', 'link_id,setting');
ALTER TABLE privacy.recommendation_dismissal ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE privacy.recommendation_dismissal ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE privacy.recommendation_dismissal ENABLE ALWAYS TRIGGER audit_delete;
