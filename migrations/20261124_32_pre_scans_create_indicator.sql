-- Why:      a verdict is explained by what was found, one row for each, in words of a fixed vocabulary.
-- Change:   scans.indicator.
-- Locks:    SHARE ROW EXCLUSIVE on scans.engine_verdict while the foreign key is added.
-- Data:     no rows but those of the inventory.
-- Old code: nothing reads it yet.
-- Rollback: drops every indicator; the results stay.
-- depends: 20261124_31_pre_scans_create_engine_verdict

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow prefer-bigint-over-smallint: weights to 100.
CREATE TABLE scans.indicator (
    workspace_id uuid     NOT NULL,
    scan_id      uuid     NOT NULL,
    weight       smallint NOT NULL CONSTRAINT indicator_weight_range CHECK (weight BETWEEN 0 AND 100),
    engine       text     NOT NULL,
    kind         text     NOT NULL CONSTRAINT indicator_kind_form CHECK (kind ~ '^[A-Z][A-Z0-9_]{1,47}$'),
    evidence     text     NOT NULL CONSTRAINT indicator_evidence_known CHECK (evidence IN (
        'ADDRESS', 'REDIRECT', 'TLS', 'HEADER', 'FILE', 'FORM', 'SCRIPT', 'TEXT', 'STRUCTURE', 'FEED', 'MODEL'
    )),
    CONSTRAINT indicator_pkey PRIMARY KEY (workspace_id, scan_id, engine, kind),
    CONSTRAINT indicator_engine_verdict_fkey FOREIGN KEY (workspace_id, scan_id, engine)
    REFERENCES scans.engine_verdict (workspace_id, scan_id, engine)
);

COMMENT ON TABLE scans.indicator IS 'owned. One thing that an engine found, named by a fixed vocabulary; see app/scans/indicator.py.';
COMMENT ON COLUMN scans.indicator.weight IS 'How sure a judge may be of harm who knows nothing else, in hundredths.';

ALTER TABLE scans.indicator ENABLE ROW LEVEL SECURITY;
ALTER TABLE scans.indicator FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON scans.indicator TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON scans.indicator TO fivefold_owner USING (true) WITH CHECK (true);

-- Written once, with the end of its scan, and never changed.
GRANT SELECT ON scans.indicator TO fivefold_api;
GRANT SELECT, INSERT ON scans.indicator TO fivefold_worker;

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('scans.indicator', 'workspace_id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.indicator', 'scan_id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.indicator', 'weight', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.indicator', 'engine', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.indicator', 'kind', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('scans.indicator', 'evidence', 'personal', 'service', 'include', 'delete', 'workspace', NULL);
