-- Why:      what many unrelated people see change the same way at the same time, the platform changed; the proof of that is kept.
-- Change:   privacy.crowd_evidence.
-- Locks:    SHARE ROW EXCLUSIVE on privacy.platform while the foreign key is added.
-- Data:     no rows are written.
-- Old code: nothing reads it yet.
-- Rollback: drops the proofs.
-- depends: 20261120_20_pre_privacy_create_platform

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE privacy.crowd_evidence (
    id             uuid        NOT NULL DEFAULT uuidv7() CONSTRAINT crowd_evidence_pkey PRIMARY KEY,
    platform_id    uuid        NOT NULL CONSTRAINT crowd_evidence_platform_id_fkey REFERENCES privacy.platform (id),
    first_seen_at  timestamptz NOT NULL,
    last_seen_at   timestamptz NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    people         bigint      NOT NULL CONSTRAINT crowd_evidence_people_positive CHECK (people > 0),
    window_hours   bigint      NOT NULL CONSTRAINT crowd_evidence_window_hours_positive CHECK (window_hours > 0),
    relabeled      bigint      NOT NULL DEFAULT 0 CONSTRAINT crowd_evidence_relabeled_not_negative CHECK (relabeled >= 0),
    structure_hash bytea       NOT NULL CONSTRAINT crowd_evidence_structure_hash_length CHECK (octet_length(structure_hash) = 32),
    setting        text        NOT NULL,
    old_value      text        NOT NULL,
    new_value      text        NOT NULL,
    CONSTRAINT crowd_evidence_seen_in_order CHECK (first_seen_at <= last_seen_at)
);

-- Serves the proof of a change, and the job that looks whether there is one.
CREATE INDEX crowd_evidence_platform_id_setting_idx ON privacy.crowd_evidence (platform_id, setting);

COMMENT ON TABLE privacy.crowd_evidence IS 'shared. That many unrelated people saw a setting flip the same way within a window. It names none of them, nor their workspaces.';
COMMENT ON COLUMN privacy.crowd_evidence.people IS 'How many of them had nothing to do with each other, at least.';
COMMENT ON COLUMN privacy.crowd_evidence.relabeled IS 'How many changes have another origin because of it.';

ALTER TABLE privacy.crowd_evidence ENABLE ROW LEVEL SECURITY;
ALTER TABLE privacy.crowd_evidence FORCE ROW LEVEL SECURITY;

-- allow always-true-policy: a shared noun is readable by everyone.
CREATE POLICY shared ON privacy.crowd_evidence FOR SELECT TO fivefold_api, fivefold_worker USING (true);
-- Nobody but the worker as the system finds evidence.
CREATE POLICY worker_crowd ON privacy.crowd_evidence TO fivefold_worker
USING ((SELECT core.current_workspace_id()) = (SELECT core.system_workspace_id()));
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON privacy.crowd_evidence TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT ON privacy.crowd_evidence TO fivefold_api, fivefold_worker;
GRANT INSERT ON privacy.crowd_evidence TO fivefold_worker;
GRANT UPDATE (first_seen_at, last_seen_at, people, relabeled) ON privacy.crowd_evidence TO fivefold_worker;

-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_insert AFTER INSERT ON privacy.crowd_evidence REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'id', 'id,platform_id,setting,old_value,new_value,first_seen_at,last_seen_at,people,window_hours');
CREATE TRIGGER audit_update AFTER UPDATE ON privacy.crowd_evidence REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'id', 'id,platform_id,setting,old_value,new_value,first_seen_at,last_seen_at,people,window_hours');
CREATE TRIGGER audit_delete AFTER DELETE ON privacy.crowd_evidence REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'id', 'id,platform_id,setting,old_value,new_value,first_seen_at,last_seen_at,people,window_hours');
ALTER TABLE privacy.crowd_evidence ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE privacy.crowd_evidence ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE privacy.crowd_evidence ENABLE ALWAYS TRIGGER audit_delete;
