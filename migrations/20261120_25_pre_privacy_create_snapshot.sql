-- Why:      what a person's settings were at a moment, in as few bytes as will hold it.
-- Change:   privacy.snapshot, immutable; the link points to its latest.
-- Locks:    SHARE ROW EXCLUSIVE on privacy.platform_link and privacy.template, ACCESS EXCLUSIVE on privacy.platform_link, while foreign keys are added.
-- Data:     no rows are written.
-- Old code: nothing reads it yet.
-- Rollback: drops the history of every person.
-- depends: 20261120_24_pre_privacy_create_platform_link 20261120_22_pre_privacy_create_template

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow prefer-bigint-over-int: config_version counts the configs of one platform.
-- allow prefer-bigint-over-smallint: a score to 100, the version of a formula, one of three methods; and each byte is paid for every snapshot.
CREATE TABLE privacy.snapshot (
    workspace_id   uuid        NOT NULL,
    id             uuid        NOT NULL,
    link_id        uuid        NOT NULL,
    template_id    uuid        NOT NULL CONSTRAINT snapshot_template_id_fkey REFERENCES privacy.template (id),
    captured_at    timestamptz NOT NULL,
    confidence     float8      NOT NULL CONSTRAINT snapshot_confidence_range CHECK (confidence BETWEEN 0 AND 1),
    config_version integer     NOT NULL,
    risk_score     smallint    CONSTRAINT snapshot_risk_score_range CHECK (risk_score BETWEEN 0 AND 100),
    risk_formula   smallint    NOT NULL,
    scan_method    smallint    NOT NULL CONSTRAINT snapshot_scan_method_known CHECK (scan_method BETWEEN 1 AND 3),
    packed         bytea       NOT NULL CONSTRAINT snapshot_packed_length CHECK (octet_length(packed) <= 500),
    observed       bytea       CONSTRAINT snapshot_observed_length CHECK (octet_length(observed) <= 32),
    CONSTRAINT snapshot_pkey PRIMARY KEY (workspace_id, id),
    CONSTRAINT snapshot_link_fkey FOREIGN KEY (workspace_id, link_id) REFERENCES privacy.platform_link (workspace_id, id)
);

-- Not (workspace_id, link_id, id): without the id equal entries share one posting list, 72 bytes a row less.
CREATE INDEX snapshot_workspace_id_link_id_idx ON privacy.snapshot (workspace_id, link_id);

COMMENT ON TABLE privacy.snapshot IS 'owned. Immutable. Only what differs from the template''s defaults is stored.';
COMMENT ON COLUMN privacy.snapshot.id IS 'uuidv7 of captured_at, not of the insert: ids sort by the moment of the capture.';
COMMENT ON COLUMN privacy.snapshot.scan_method IS '1 extension, 2 crawler, 3 OCR.';
COMMENT ON COLUMN privacy.snapshot.config_version IS 'Version of the platform''s config that was valid at the capture; 0 where there was none.';
COMMENT ON COLUMN privacy.snapshot.risk_score IS '0..100, higher is riskier; NULL when nothing was observed.';
COMMENT ON COLUMN privacy.snapshot.packed IS 'Pairs of bytes, position and option index, of each observed setting that differs from its default.';
COMMENT ON COLUMN privacy.snapshot.observed IS 'Bit map of positions (bit n of byte n/8, least significant first) that were read; NULL when all were.';

ALTER TABLE privacy.snapshot ENABLE ROW LEVEL SECURITY;
ALTER TABLE privacy.snapshot FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON privacy.snapshot TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON privacy.snapshot TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT, INSERT ON privacy.snapshot TO fivefold_api;

CREATE TRIGGER immutable BEFORE UPDATE ON privacy.snapshot
FOR EACH ROW EXECUTE FUNCTION core.refuse_change();
ALTER TABLE privacy.snapshot ENABLE ALWAYS TRIGGER immutable;

-- Values are told as a digest: the audit proves them and does not repeat them.
-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_insert AFTER INSERT ON privacy.snapshot REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,link_id,template_id,captured_at,sha256:packed,sha256:observed');
CREATE TRIGGER audit_delete AFTER DELETE ON privacy.snapshot REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,link_id,template_id,captured_at,sha256:packed,sha256:observed');
ALTER TABLE privacy.snapshot ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE privacy.snapshot ENABLE ALWAYS TRIGGER audit_delete;

-- allow adding-foreign-key-constraint, constraint-missing-not-valid: the migration before made the table, so no link is there to check.
ALTER TABLE privacy.platform_link
ADD CONSTRAINT platform_link_latest_snapshot_fkey FOREIGN KEY (workspace_id, latest_snapshot_id) REFERENCES privacy.snapshot (workspace_id, id);

-- allow require-concurrent-index-creation: as above.
CREATE INDEX platform_link_latest_snapshot_idx ON privacy.platform_link (workspace_id, latest_snapshot_id);
