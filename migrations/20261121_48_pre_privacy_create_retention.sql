-- Why:      a person says how long the history is kept; what is older goes, and what it held cannot be read any more.
-- Change:   privacy.retention, privacy.purged_snapshot, the function that finds what is due, and what the worker needs to delete it.
-- Locks:    SHARE ROW EXCLUSIVE on core.workspace and privacy.platform_link while foreign keys are added.
-- Data:     no rows are written; where none is, a year is kept.
-- Old code: nothing reads it yet.
-- Rollback: drops what was chosen, and the hashes of what was purged.
-- depends: 20261121_44_pre_privacy_schedule_platform_link 20261121_52_pre_privacy_create_acknowledgement 20261121_18_pre_privacy_show_changes_to_worker

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE privacy.retention (
    workspace_id uuid NOT NULL CONSTRAINT retention_pkey PRIMARY KEY CONSTRAINT retention_workspace_id_fkey REFERENCES core.workspace (id),
    keep         text NOT NULL CONSTRAINT retention_keep_known CHECK (keep IN ('THIRTY_DAYS', 'NINETY_DAYS', 'ONE_YEAR', 'FOREVER'))
);

COMMENT ON TABLE privacy.retention IS 'owned. How long a workspace keeps its history; ONE_YEAR without a row.';

-- allow prefer-bigint-over-smallint: as many changes as two templates have settings at most.
CREATE TABLE privacy.purged_snapshot (
    workspace_id uuid        NOT NULL,
    id           uuid        NOT NULL,
    link_id      uuid        NOT NULL,
    captured_at  timestamptz NOT NULL,
    purged_at    timestamptz NOT NULL DEFAULT now(),
    change_count smallint    NOT NULL CONSTRAINT purged_snapshot_change_count_positive CHECK (change_count >= 0),
    change_hash  bytea       NOT NULL CONSTRAINT purged_snapshot_change_hash_length CHECK (octet_length(change_hash) = 32),
    CONSTRAINT purged_snapshot_pkey PRIMARY KEY (workspace_id, id),
    CONSTRAINT purged_snapshot_link_fkey FOREIGN KEY (workspace_id, link_id) REFERENCES privacy.platform_link (workspace_id, id)
);

-- Serves the foreign key and the list.
CREATE INDEX purged_snapshot_workspace_id_link_id_id_idx ON privacy.purged_snapshot (workspace_id, link_id, id);

COMMENT ON TABLE privacy.purged_snapshot IS 'owned. What is left of a snapshot that was purged: that it was, and a hash of its changes. Not audited: the deletion is.';
COMMENT ON COLUMN privacy.purged_snapshot.change_hash IS
'sha256(salt || changes as jsonb text), with the salt of the snapshot''s own audit detail, which goes with it: whoever kept both can prove the changes, nobody can guess them.';

ALTER TABLE privacy.retention ENABLE ROW LEVEL SECURITY;
ALTER TABLE privacy.retention FORCE ROW LEVEL SECURITY;
ALTER TABLE privacy.purged_snapshot ENABLE ROW LEVEL SECURITY;
ALTER TABLE privacy.purged_snapshot FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON privacy.retention TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
CREATE POLICY tenant ON privacy.purged_snapshot TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON privacy.retention TO fivefold_owner USING (true) WITH CHECK (true);
-- allow always-true-policy: as above.
CREATE POLICY owner ON privacy.purged_snapshot TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT, INSERT ON privacy.retention TO fivefold_api;
GRANT UPDATE (keep) ON privacy.retention TO fivefold_api;
GRANT SELECT ON privacy.retention TO fivefold_worker;
GRANT SELECT ON privacy.purged_snapshot TO fivefold_api;
GRANT SELECT, INSERT ON privacy.purged_snapshot TO fivefold_worker;
-- In the workspace that a purge acts for; the changes of a snapshot go with it, by the owner's foreign key.
GRANT DELETE ON privacy.snapshot TO fivefold_worker;

-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_insert AFTER INSERT ON privacy.retention REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'workspace_id', 'keep');
CREATE TRIGGER audit_update AFTER UPDATE ON privacy.retention REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'workspace_id', 'keep');
CREATE TRIGGER audit_delete AFTER DELETE ON privacy.retention REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'workspace_id', 'keep');

ALTER TABLE privacy.retention ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE privacy.retention ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE privacy.retention ENABLE ALWAYS TRIGGER audit_delete;

-- Workspaces with snapshots that are older than they are kept, a link's latest apart. The worker sees no history across
-- workspaces; this tells it who has something to purge, and nothing else.
CREATE FUNCTION privacy.list_purgeable(moment timestamptz, after_id uuid, most bigint) RETURNS TABLE (workspace_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    SELECT w.id
    FROM core.workspace AS w
    LEFT JOIN privacy.retention AS r ON r.workspace_id = w.id
    CROSS JOIN LATERAL (
        SELECT core.uuidv7_floor(list_purgeable.moment - CASE coalesce(r.keep, 'ONE_YEAR')
            WHEN 'THIRTY_DAYS' THEN interval '30 days'
            WHEN 'NINETY_DAYS' THEN interval '90 days'
            WHEN 'ONE_YEAR' THEN interval '365 days'
        END) AS bound
    ) AS kept
    WHERE w.id > list_purgeable.after_id
        AND EXISTS (
            SELECT
            FROM privacy.snapshot AS s
            JOIN privacy.platform_link AS l ON l.workspace_id = s.workspace_id AND l.id = s.link_id
            WHERE s.workspace_id = w.id
                AND s.id < kept.bound
                AND l.latest_snapshot_id IS DISTINCT FROM s.id
        )
    ORDER BY w.id
    LIMIT list_purgeable.most;
END;

REVOKE ALL ON FUNCTION privacy.list_purgeable(timestamptz, uuid, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION privacy.list_purgeable(timestamptz, uuid, bigint) TO fivefold_worker;
