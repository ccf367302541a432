-- Why:      a mutation that is sent twice must happen once, and both callers must be told the same.
-- Change:   core.idempotency.
-- Locks:    SHARE ROW EXCLUSIVE on core.workspace while the foreign key is added.
-- Data:     no rows are written.
-- Old code: nothing reads it yet.
-- Rollback: drops the keys: a mutation sent again after it runs again.
-- depends: 20261120_04_pre_core_create_workspace

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE core.idempotency (
    workspace_id uuid        NOT NULL CONSTRAINT idempotency_workspace_id_fkey REFERENCES core.workspace (id),
    result_id    uuid,
    created_at   timestamptz NOT NULL DEFAULT now(),
    created      boolean,
    field        text        NOT NULL,
    key          text        NOT NULL CONSTRAINT idempotency_key_length CHECK (length(key) BETWEEN 1 AND 200),
    input_hash   bytea       NOT NULL CONSTRAINT idempotency_input_hash_length CHECK (octet_length(input_hash) = 32),
    CONSTRAINT idempotency_pkey PRIMARY KEY (workspace_id, field, key)
);

-- Serves the purge of keys older than a week.
CREATE INDEX idempotency_created_at_idx ON core.idempotency (created_at);

COMMENT ON TABLE core.idempotency IS 'owned. Keys of mutations of the last seven days. Not audited: it repeats what the audited rows say.';
COMMENT ON COLUMN core.idempotency.created IS 'Whether the mutation made its result, or found it as it was.';

ALTER TABLE core.idempotency ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.idempotency FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON core.idempotency TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));

-- The purge crosses workspaces, and sees nothing but keys that are due.
CREATE POLICY worker_all ON core.idempotency FOR DELETE TO fivefold_worker USING (created_at < now() - interval '7 days');
CREATE POLICY worker_all_select ON core.idempotency FOR SELECT TO fivefold_worker USING (created_at < now() - interval '7 days');
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON core.idempotency TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT, INSERT ON core.idempotency TO fivefold_api;
GRANT UPDATE (result_id, created) ON core.idempotency TO fivefold_api;
GRANT SELECT, DELETE ON core.idempotency TO fivefold_worker;
