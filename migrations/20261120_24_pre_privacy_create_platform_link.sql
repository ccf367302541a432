-- Why:      a person's account on a platform is what gets scanned.
-- Change:   privacy.platform_link.
-- Locks:    SHARE ROW EXCLUSIVE on core.member and privacy.platform while the foreign keys are added.
-- Data:     no rows are written.
-- Old code: nothing reads it yet.
-- Rollback: drops every link.
-- depends: 20261120_20_pre_privacy_create_platform 20261120_05_pre_core_create_member

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE privacy.platform_link (
    workspace_id       uuid        NOT NULL,
    id                 uuid        NOT NULL DEFAULT uuidv7(),
    account_id         uuid        NOT NULL,
    platform_id        uuid        NOT NULL CONSTRAINT platform_link_platform_id_fkey REFERENCES privacy.platform (id),
    latest_snapshot_id uuid,
    linked_at          timestamptz NOT NULL DEFAULT now(),
    unlinked_at        timestamptz,
    seen_until         timestamptz,
    label              text        NOT NULL CONSTRAINT platform_link_label_length CHECK (length(label) BETWEEN 1 AND 100),
    status             text        NOT NULL DEFAULT 'ACTIVE' CONSTRAINT platform_link_status_known CHECK (status IN ('ACTIVE', 'UNLINKED')),
    unlink_reason      text        CONSTRAINT platform_link_unlink_reason_length CHECK (length(unlink_reason) <= 500),
    CONSTRAINT platform_link_pkey PRIMARY KEY (workspace_id, id),
    CONSTRAINT platform_link_member_fkey FOREIGN KEY (workspace_id, account_id) REFERENCES core.member (workspace_id, account_id),
    CONSTRAINT platform_link_unlinked_has_time CHECK ((status = 'UNLINKED') = (unlinked_at IS NOT NULL))
);

-- Two accounts on one platform are two labels; the same label twice is a mistake.
CREATE UNIQUE INDEX platform_link_label_idx ON privacy.platform_link (workspace_id, platform_id, label) WHERE status = 'ACTIVE';
-- Serves the foreign keys.
CREATE INDEX platform_link_workspace_id_account_id_idx ON privacy.platform_link (workspace_id, account_id);
CREATE INDEX platform_link_platform_id_idx ON privacy.platform_link (platform_id);

COMMENT ON TABLE privacy.platform_link IS 'owned. One account of a person on one platform.';
COMMENT ON COLUMN privacy.platform_link.latest_snapshot_id IS 'The snapshot captured last, kept here so that a dashboard reads it by key.';
COMMENT ON COLUMN privacy.platform_link.seen_until IS 'Until when the latest snapshot is known to hold: an unchanged scan moves this and adds no row.';

ALTER TABLE privacy.platform_link ENABLE ROW LEVEL SECURITY;
ALTER TABLE privacy.platform_link FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON privacy.platform_link TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON privacy.platform_link TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT, INSERT ON privacy.platform_link TO fivefold_api;
GRANT UPDATE (status, unlinked_at, unlink_reason, latest_snapshot_id, seen_until) ON privacy.platform_link TO fivefold_api;

-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_insert AFTER INSERT ON privacy.platform_link REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,account_id,platform_id,label,status,unlink_reason');
CREATE TRIGGER audit_update AFTER UPDATE ON privacy.platform_link REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,account_id,platform_id,label,status,unlink_reason');
CREATE TRIGGER audit_delete AFTER DELETE ON privacy.platform_link REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,account_id,platform_id,label,status,unlink_reason');
ALTER TABLE privacy.platform_link ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE privacy.platform_link ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE privacy.platform_link ENABLE ALWAYS TRIGGER audit_delete;
