-- Why:      what happened is told to those who listen, exactly when it was committed and never otherwise.
-- Change:   core.outbox.
-- Locks:    SHARE ROW EXCLUSIVE on core.workspace while the foreign key is added.
-- Data:     no rows are written.
-- Old code: nothing reads it yet.
-- Rollback: drops what was not yet delivered.
-- depends: 20261120_04_pre_core_create_workspace

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE core.outbox (
    workspace_id uuid        NOT NULL CONSTRAINT outbox_workspace_id_fkey REFERENCES core.workspace (id),
    id           uuid        NOT NULL DEFAULT uuidv7(),
    xid          xid8        NOT NULL DEFAULT pg_current_xact_id(),
    object_id    uuid        NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    kind         text        NOT NULL CONSTRAINT outbox_kind_form CHECK (kind ~ '^[a-z]+\.[a-z_]{1,60}$'),
    detail       jsonb       NOT NULL CONSTRAINT outbox_detail_form CHECK (jsonb_typeof(detail) = 'object'),
    CONSTRAINT outbox_pkey PRIMARY KEY (workspace_id, id)
);

COMMENT ON TABLE core.outbox IS 'owned. What happened, for subscriptions and webhooks; kept for seven days. Not audited: it repeats what audited rows say.';
COMMENT ON COLUMN core.outbox.xid IS 'Transaction that wrote it. Readers go by (xid, id) below the oldest running one: what commits late is not skipped.';

-- Serves the readers, who ask for what is new in the workspaces that somebody listens to, and the purge.
CREATE INDEX outbox_workspace_id_xid_id_idx ON core.outbox (workspace_id, xid, id);
CREATE INDEX outbox_created_at_idx ON core.outbox (created_at);

ALTER TABLE core.outbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.outbox FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON core.outbox TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
-- The purge: the worker deletes what is past its week, in every workspace.
CREATE POLICY worker_old ON core.outbox TO fivefold_worker
USING (created_at < now() - interval '7 days');
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON core.outbox TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT, INSERT ON core.outbox TO fivefold_api;
GRANT SELECT, INSERT, DELETE ON core.outbox TO fivefold_worker;
