-- Why:      a person says which changes they have seen, and which they made; until the setting is another one again.
-- Change:   privacy.acknowledgement; who acknowledges a change as their own makes its origin certain, and may write nothing else of it.
-- Locks:    SHARE ROW EXCLUSIVE on privacy.snapshot and privacy.platform_link while foreign keys are added, ACCESS EXCLUSIVE on privacy.change for a moment.
-- Data:     no rows are written. Changes that nobody acknowledges cost nothing.
-- Old code: nothing reads it yet.
-- Rollback: drops what was acknowledged; origins that became certain stay so.
-- depends: 20261121_57_pre_privacy_keep_links_personal 20261120_26_pre_privacy_create_change

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE privacy.acknowledgement (
    workspace_id    uuid        NOT NULL,
    snapshot_id     uuid        NOT NULL,
    link_id         uuid        NOT NULL,
    acknowledged_at timestamptz NOT NULL DEFAULT now(),
    reopened_at     timestamptz,
    mine            boolean     NOT NULL,
    setting         text        NOT NULL,
    note            text        CONSTRAINT acknowledgement_note_length CHECK (length(note) <= 500),
    reopen_reason   text        CONSTRAINT acknowledgement_reopen_reason_known CHECK (reopen_reason IN ('CHANGED_AGAIN', 'TEMPLATE')),
    CONSTRAINT acknowledgement_pkey PRIMARY KEY (workspace_id, snapshot_id, setting),
    CONSTRAINT acknowledgement_snapshot_fkey FOREIGN KEY (workspace_id, snapshot_id) REFERENCES privacy.snapshot (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT acknowledgement_link_fkey FOREIGN KEY (workspace_id, link_id) REFERENCES privacy.platform_link (workspace_id, id),
    CONSTRAINT acknowledgement_reopened_has_reason CHECK ((reopened_at IS NULL) = (reopen_reason IS NULL))
);

-- Serves the next change of a setting, which opens what was acknowledged before, and the foreign key.
CREATE INDEX acknowledgement_workspace_id_link_id_setting_idx ON privacy.acknowledgement (workspace_id, link_id, setting);

COMMENT ON TABLE privacy.acknowledgement IS 'owned. A change that the person has seen. Named as the change, and no foreign key to it: changes are told anew when a scan comes late.';
COMMENT ON COLUMN privacy.acknowledgement.mine IS 'The person says that they made the change.';
COMMENT ON COLUMN privacy.acknowledgement.reopen_reason IS 'CHANGED_AGAIN: the setting changed again. TEMPLATE: the platform''s active template has it with another default, recommendation or options.';

ALTER TABLE privacy.acknowledgement ENABLE ROW LEVEL SECURITY;
ALTER TABLE privacy.acknowledgement FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON privacy.acknowledgement TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
CREATE POLICY person ON privacy.acknowledgement AS RESTRICTIVE TO fivefold_api
USING (EXISTS (
    SELECT FROM privacy.platform_link AS l
    WHERE l.workspace_id = acknowledgement.workspace_id AND l.id = acknowledgement.link_id
));
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON privacy.acknowledgement TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, DELETE ON privacy.acknowledgement TO fivefold_api;
GRANT UPDATE (snapshot_id, acknowledged_at, reopened_at, mine, note, reopen_reason) ON privacy.acknowledgement TO fivefold_api;

-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_insert AFTER INSERT ON privacy.acknowledgement REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'snapshot_id,setting', 'snapshot_id,setting,mine');
CREATE TRIGGER audit_update AFTER UPDATE ON privacy.acknowledgement REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'snapshot_id,setting', 'snapshot_id,setting,mine,acknowledged_at,reopen_reason');
CREATE TRIGGER audit_delete AFTER DELETE ON privacy.acknowledgement REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'snapshot_id,setting', 'snapshot_id,setting,mine');
ALTER TABLE privacy.acknowledgement ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE privacy.acknowledgement ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE privacy.acknowledgement ENABLE ALWAYS TRIGGER audit_delete;

-- The trigger that audits an UPDATE of a change is there. A person may say that they did it; nothing else.
GRANT UPDATE (origin, confidence) ON privacy.change TO fivefold_api;
CREATE POLICY claimed ON privacy.change AS RESTRICTIVE FOR UPDATE TO fivefold_api
USING (workspace_id = (SELECT core.current_workspace_id())) WITH CHECK (origin = 'USER' AND confidence = 1);
