-- Why:      what changed between two snapshots, and who is likely to have changed it.
-- Change:   privacy.change.
-- Locks:    SHARE ROW EXCLUSIVE on privacy.snapshot while the foreign key is added.
-- Data:     no rows are written.
-- Old code: nothing reads it yet.
-- Rollback: drops the changes; snapshots stay, so they can be computed again.
-- depends: 20261120_25_pre_privacy_create_snapshot

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE privacy.change (
    workspace_id uuid NOT NULL,
    snapshot_id  uuid NOT NULL,
    confidence   float8 NOT NULL CONSTRAINT change_confidence_range CHECK (confidence BETWEEN 0 AND 1),
    setting      text NOT NULL,
    old_value    text,
    new_value    text,
    origin       text NOT NULL CONSTRAINT change_origin_known
        CHECK (origin IN ('USER', 'PLATFORM_DEFAULT', 'PLATFORM_STRUCTURE', 'TECHNICAL', 'UNKNOWN')),
    significance text NOT NULL CONSTRAINT change_significance_known
        CHECK (significance IN ('NOISE', 'WORDING', 'VALUE', 'DEFAULT_FLIP', 'NEW_SETTING', 'REMOVED_SETTING')),
    CONSTRAINT change_pkey PRIMARY KEY (workspace_id, snapshot_id, setting),
    CONSTRAINT change_snapshot_fkey FOREIGN KEY (workspace_id, snapshot_id) REFERENCES privacy.snapshot (workspace_id, id) ON DELETE CASCADE
);

COMMENT ON TABLE privacy.change IS 'owned. One setting that differs from the snapshot before. Derived, so its INSERT is not audited; the snapshot''s is.';

ALTER TABLE privacy.change ENABLE ROW LEVEL SECURITY;
ALTER TABLE privacy.change FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON privacy.change TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON privacy.change TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, DELETE ON privacy.change TO fivefold_api;

-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_update AFTER UPDATE ON privacy.change REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'snapshot_id,setting', 'snapshot_id,setting,origin,significance');
CREATE TRIGGER audit_delete AFTER DELETE ON privacy.change REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'snapshot_id,setting', 'snapshot_id,setting,origin,significance');
ALTER TABLE privacy.change ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE privacy.change ENABLE ALWAYS TRIGGER audit_delete;
