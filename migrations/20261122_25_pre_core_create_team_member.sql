-- Why:      who belongs to which team.
-- Change:   core.team_member.
-- Locks:    SHARE ROW EXCLUSIVE on core.team and core.member while the foreign keys are added.
-- Data:     rows of the data inventory only.
-- Old code: nothing reads it yet.
-- Rollback: teams stay, empty.
-- depends: 20261122_24_pre_core_create_team

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE core.team_member (
    workspace_id uuid        NOT NULL,
    team_id      uuid        NOT NULL,
    account_id   uuid        NOT NULL,
    added_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT team_member_pkey PRIMARY KEY (workspace_id, team_id, account_id),
    CONSTRAINT team_member_team_fkey FOREIGN KEY (workspace_id, team_id) REFERENCES core.team (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT team_member_member_fkey FOREIGN KEY (workspace_id, account_id)
        REFERENCES core.member (workspace_id, account_id) ON DELETE CASCADE
);

-- Serves the foreign key, and the teams of one member.
CREATE INDEX team_member_workspace_id_account_id_idx ON core.team_member (workspace_id, account_id);

COMMENT ON TABLE core.team_member IS 'owned. A member in a team; gone with either.';

ALTER TABLE core.team_member ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.team_member FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON core.team_member TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON core.team_member TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, DELETE ON core.team_member TO fivefold_api;

-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_insert AFTER INSERT ON core.team_member REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'team_id,account_id', 'team_id,account_id');
CREATE TRIGGER audit_update AFTER UPDATE ON core.team_member REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'team_id,account_id', 'team_id,account_id');
CREATE TRIGGER audit_delete AFTER DELETE ON core.team_member REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'team_id,account_id', 'team_id,account_id');
ALTER TABLE core.team_member ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE core.team_member ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE core.team_member ENABLE ALWAYS TRIGGER audit_delete;

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.team_member', 'workspace_id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('core.team_member', 'team_id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('core.team_member', 'account_id', 'identifier', 'service', 'include', 'delete', 'workspace', NULL),
('core.team_member', 'added_at', 'technical', 'service', 'include', 'delete', 'workspace', NULL);
