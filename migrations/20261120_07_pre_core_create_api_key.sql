-- Why:      a browser extension acts for a workspace without a person signing in.
-- Change:   core.api_key.
-- Locks:    SHARE ROW EXCLUSIVE on core.member while the foreign key is added.
-- Data:     no rows are written.
-- Old code: nothing reads it yet.
-- Rollback: drops every key: extensions stop.
-- depends: 20261120_05_pre_core_create_member

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE core.api_key (
    workspace_id uuid        NOT NULL,
    id           uuid        NOT NULL DEFAULT uuidv7(),
    account_id   uuid        NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,
    revoked_at   timestamptz,
    last_used_at timestamptz,
    name         text        NOT NULL CONSTRAINT api_key_name_length CHECK (length(name) BETWEEN 1 AND 100),
    hint         text        NOT NULL CONSTRAINT api_key_hint_length CHECK (length(hint) BETWEEN 4 AND 16),
    secret_hash  bytea       NOT NULL CONSTRAINT api_key_secret_hash_key UNIQUE
        CONSTRAINT api_key_secret_hash_length CHECK (octet_length(secret_hash) = 32),
    scopes       text[]      NOT NULL CONSTRAINT api_key_scopes_known
        CHECK (scopes <@ ARRAY['snapshots:write', 'privacy:read'] AND cardinality(scopes) BETWEEN 1 AND 2),
    CONSTRAINT api_key_pkey PRIMARY KEY (workspace_id, id),
    CONSTRAINT api_key_member_fkey FOREIGN KEY (workspace_id, account_id) REFERENCES core.member (workspace_id, account_id)
);

-- Serves the foreign key: which keys has this member made?
CREATE INDEX api_key_workspace_id_account_id_idx ON core.api_key (workspace_id, account_id);

COMMENT ON TABLE core.api_key IS 'owned. A key of a workspace; found by its hash before an identity exists.';
COMMENT ON COLUMN core.api_key.hint IS 'The first characters of the secret, enough to recognise it in a list.';
COMMENT ON COLUMN core.api_key.secret_hash IS 'sha256 of 32 random bytes as text: not guessable, so no slow hash is needed.';

ALTER TABLE core.api_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.api_key FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON core.api_key TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON core.api_key TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT, INSERT ON core.api_key TO fivefold_api;
GRANT UPDATE (revoked_at) ON core.api_key TO fivefold_api;

-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_insert AFTER INSERT ON core.api_key REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,account_id,name,hint,scopes,expires_at,revoked_at');
CREATE TRIGGER audit_update AFTER UPDATE ON core.api_key REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,account_id,name,hint,scopes,expires_at,revoked_at');
CREATE TRIGGER audit_delete AFTER DELETE ON core.api_key REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,account_id,name,hint,scopes,expires_at,revoked_at');
ALTER TABLE core.api_key ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE core.api_key ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE core.api_key ENABLE ALWAYS TRIGGER audit_delete;
