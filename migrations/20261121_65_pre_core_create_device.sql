-- Why:      a key that never leaves a browser signs what it sends, so that a stolen API key alone can forge nothing.
-- Change:   core.device.
-- Locks:    SHARE ROW EXCLUSIVE on core.member while the foreign key is added.
-- Data:     no rows are written.
-- Old code: nothing reads it yet.
-- Rollback: drops every device: signed scans are refused until the devices are registered again.
-- depends: 20261120_05_pre_core_create_member

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE core.device (
    workspace_id uuid        NOT NULL,
    id           uuid        NOT NULL DEFAULT uuidv7(),
    account_id   uuid        NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    revoked_at   timestamptz,
    last_used_at timestamptz,
    name         text        NOT NULL CONSTRAINT device_name_length CHECK (length(name) BETWEEN 1 AND 100),
    public_key   bytea       NOT NULL CONSTRAINT device_public_key_length CHECK (octet_length(public_key) = 32),
    CONSTRAINT device_pkey PRIMARY KEY (workspace_id, id),
    CONSTRAINT device_public_key_key UNIQUE (workspace_id, public_key),
    CONSTRAINT device_member_fkey FOREIGN KEY (workspace_id, account_id) REFERENCES core.member (workspace_id, account_id)
);

-- Serves the foreign key: which devices has this member registered?
CREATE INDEX device_workspace_id_account_id_idx ON core.device (workspace_id, account_id);

COMMENT ON TABLE core.device IS 'owned. A browser or program that signs what it sends. Revoked ones stay: their keys never come back.';
COMMENT ON COLUMN core.device.public_key IS 'Ed25519 (RFC 8032), as it is: a point of the prime-order group.';
COMMENT ON COLUMN core.device.last_used_at IS 'When it last signed something that was taken; noted at most once a minute.';

ALTER TABLE core.device ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.device FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON core.device TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON core.device TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT, INSERT ON core.device TO fivefold_api;
GRANT UPDATE (revoked_at, last_used_at) ON core.device TO fivefold_api;

-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_insert AFTER INSERT ON core.device REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,account_id,name,public_key,revoked_at');
CREATE TRIGGER audit_update AFTER UPDATE ON core.device REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,account_id,name,public_key,revoked_at');
CREATE TRIGGER audit_delete AFTER DELETE ON core.device REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,account_id,name,public_key,revoked_at');
ALTER TABLE core.device ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE core.device ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE core.device ENABLE ALWAYS TRIGGER audit_delete;
