-- Why:      an organization of many is looked at by its parts.
-- Change:   core.team.
-- Locks:    SHARE ROW EXCLUSIVE on core.workspace while the foreign key is added.
-- Data:     rows of the data inventory only.
-- Old code: nothing reads it yet.
-- Rollback: drops every team.
-- depends: 20261122_23_pre_core_create_invitation

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow prefer-bigint-over-int: versions of one row.
CREATE TABLE core.team (
    workspace_id uuid        NOT NULL CONSTRAINT team_workspace_id_fkey REFERENCES core.workspace (id),
    id           uuid        NOT NULL DEFAULT uuidv7(),
    created_at   timestamptz NOT NULL DEFAULT now(),
    version      integer     NOT NULL DEFAULT 1,
    name         text        NOT NULL CONSTRAINT team_name_length CHECK (length(name) BETWEEN 1 AND 100),
    description  text        NOT NULL CONSTRAINT team_description_length CHECK (length(description) <= 500),
    CONSTRAINT team_pkey PRIMARY KEY (workspace_id, id),
    CONSTRAINT team_name_key UNIQUE (workspace_id, name)
);

COMMENT ON TABLE core.team IS 'owned. Some members of an organization, by a name.';
COMMENT ON COLUMN core.team.version IS 'Counts changes: who writes says which state was read.';

ALTER TABLE core.team ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.team FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON core.team TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON core.team TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, DELETE ON core.team TO fivefold_api;
GRANT UPDATE (version, name, description) ON core.team TO fivefold_api;

-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_insert AFTER INSERT ON core.team REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,name,description');
CREATE TRIGGER audit_update AFTER UPDATE ON core.team REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,name,description');
CREATE TRIGGER audit_delete AFTER DELETE ON core.team REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,name,description');
ALTER TABLE core.team ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE core.team ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE core.team ENABLE ALWAYS TRIGGER audit_delete;

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.team', 'workspace_id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('core.team', 'id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('core.team', 'created_at', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('core.team', 'version', 'technical', 'operation', 'include', 'delete', 'workspace', NULL),
('core.team', 'name', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('core.team', 'description', 'personal', 'service', 'include', 'delete', 'workspace', NULL);
