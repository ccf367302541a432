-- Why:      what must be read again, such as the secret of a webhook, lies sealed in the database: a copy of it opens nothing.
-- Change:   core.data_key, core.key_use().
-- Locks:    SHARE ROW EXCLUSIVE on core.workspace while the foreign key is added.
-- Data:     no rows but those of the inventory.
-- Old code: nothing reads it yet.
-- Rollback: refused while there are data keys: what they seal could never be read again.
-- depends: 20261122_02_pre_core_create_data_inventory

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE core.data_key (
    workspace_id uuid        NOT NULL CONSTRAINT data_key_workspace_id_fkey REFERENCES core.workspace (id)
        CONSTRAINT data_key_workspace_id_key UNIQUE,
    id           uuid        NOT NULL CONSTRAINT data_key_id_key UNIQUE,
    kek_id       uuid        NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    wrapped      bytea       NOT NULL CONSTRAINT data_key_wrapped_length CHECK (octet_length(wrapped) = 77),
    CONSTRAINT data_key_pkey PRIMARY KEY (workspace_id, id)
);

COMMENT ON TABLE core.data_key IS 'owned. A workspace''s key, wrapped: deleting it makes all that it seals unreadable, in every copy of the database.';
COMMENT ON COLUMN core.data_key.kek_id IS 'Which of the operator''s keys (FIVEFOLD_VAULT_KEYS) it is wrapped with.';
COMMENT ON COLUMN core.data_key.wrapped IS 'version | kek_id | nonce | AES-256-GCM of 32 bytes and tag, bound to this row; see app/kit/vault.py.';

ALTER TABLE core.data_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.data_key FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON core.data_key TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON core.data_key TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT, INSERT ON core.data_key TO fivefold_api, fivefold_worker;

-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_insert AFTER INSERT ON core.data_key REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,kek_id');
CREATE TRIGGER audit_update AFTER UPDATE ON core.data_key REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,kek_id');
CREATE TRIGGER audit_delete AFTER DELETE ON core.data_key REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,kek_id');
ALTER TABLE core.data_key ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE core.data_key ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE core.data_key ENABLE ALWAYS TRIGGER audit_delete;

-- Which of the operator's keys are in use: whoever begins without one of them must know, whatever rows it may see.
CREATE FUNCTION core.key_use() RETURNS TABLE (kek_id uuid, data_keys bigint)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    SELECT d.kek_id, count(*)
    FROM core.data_key AS d
    GROUP BY d.kek_id;
END;

REVOKE ALL ON FUNCTION core.key_use() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION core.key_use() TO fivefold_api, fivefold_worker;

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.data_key', 'workspace_id', 'technical', 'security', 'omit', 'delete', 'workspace', NULL),
('core.data_key', 'id', 'technical', 'security', 'omit', 'delete', 'workspace', NULL),
('core.data_key', 'kek_id', 'technical', 'security', 'omit', 'delete', 'workspace', NULL),
('core.data_key', 'created_at', 'technical', 'security', 'omit', 'delete', 'workspace', NULL),
('core.data_key', 'wrapped', 'secret', 'security', 'omit', 'delete', 'workspace', NULL);
