-- Why:      everything that is owned is owned by one workspace.
-- Change:   core.workspace, and the system workspace for what belongs to no customer.
-- Locks:    SHARE ROW EXCLUSIVE on core.account while the foreign key is added.
-- Data:     one row, the system workspace.
-- Old code: nothing reads it yet.
-- Rollback: drops every workspace.
-- depends: 20261120_03_pre_core_create_account

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE core.workspace (
    id                  uuid        NOT NULL DEFAULT uuidv7() CONSTRAINT workspace_pkey PRIMARY KEY,
    created_at          timestamptz NOT NULL DEFAULT now(),
    personal_account_id uuid        CONSTRAINT workspace_personal_account_id_key UNIQUE
        CONSTRAINT workspace_personal_account_id_fkey REFERENCES core.account (id),
    kind                text        NOT NULL CONSTRAINT workspace_kind_known CHECK (kind IN ('personal', 'organization', 'system')),
    name                text        NOT NULL CONSTRAINT workspace_name_length CHECK (length(name) BETWEEN 1 AND 200),
    CONSTRAINT workspace_personal_has_account CHECK ((kind = 'personal') = (personal_account_id IS NOT NULL))
);

COMMENT ON TABLE core.workspace IS 'identity. The tenant: plans, keys and every product row hang on it.';
COMMENT ON COLUMN core.workspace.personal_account_id IS 'The one person whose personal workspace this is; unique, so that each has one.';

ALTER TABLE core.workspace ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.workspace FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON core.workspace FOR SELECT TO fivefold_api, fivefold_worker
USING (id = (SELECT core.current_workspace_id()));
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON core.workspace TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT ON core.workspace TO fivefold_api, fivefold_worker;

-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_insert AFTER INSERT ON core.workspace REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('id', 'id', 'id,kind,name,personal_account_id');
CREATE TRIGGER audit_update AFTER UPDATE ON core.workspace REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('id', 'id', 'id,kind,name,personal_account_id');
CREATE TRIGGER audit_delete AFTER DELETE ON core.workspace REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('id', 'id', 'id,kind,name,personal_account_id');
ALTER TABLE core.workspace ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE core.workspace ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE core.workspace ENABLE ALWAYS TRIGGER audit_delete;

INSERT INTO core.workspace (id, kind, name) VALUES (core.system_workspace_id(), 'system', 'System');
