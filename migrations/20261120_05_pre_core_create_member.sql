-- Why:      a workspace is open to its members only, each in a role.
-- Change:   core.member.
-- Locks:    SHARE ROW EXCLUSIVE on core.account and core.workspace while the foreign keys are added.
-- Data:     no rows are written.
-- Old code: nothing reads it yet.
-- Rollback: drops every membership.
-- depends: 20261120_04_pre_core_create_workspace

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE core.member (
    workspace_id uuid        NOT NULL CONSTRAINT member_workspace_id_fkey REFERENCES core.workspace (id),
    account_id   uuid        NOT NULL CONSTRAINT member_account_id_fkey REFERENCES core.account (id),
    joined_at    timestamptz NOT NULL DEFAULT now(),
    role         text        NOT NULL CONSTRAINT member_role_known CHECK (role IN ('owner', 'admin', 'member', 'viewer', 'auditor')),
    CONSTRAINT member_pkey PRIMARY KEY (workspace_id, account_id)
);

-- Serves the workspaces of one account, and the foreign key.
CREATE INDEX member_account_id_idx ON core.member (account_id);

COMMENT ON TABLE core.member IS 'identity. Who may act in a workspace, and as what.';

ALTER TABLE core.member ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.member FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON core.member FOR SELECT TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON core.member TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT ON core.member TO fivefold_api, fivefold_worker;

-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_insert AFTER INSERT ON core.member REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'account_id', 'account_id,role');
CREATE TRIGGER audit_update AFTER UPDATE ON core.member REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'account_id', 'account_id,role');
CREATE TRIGGER audit_delete AFTER DELETE ON core.member REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'account_id', 'account_id,role');
ALTER TABLE core.member ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE core.member ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE core.member ENABLE ALWAYS TRIGGER audit_delete;
