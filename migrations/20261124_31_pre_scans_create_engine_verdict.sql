-- Why:      a verdict says which engine found what, and which could not look.
-- Change:   scans.engine_verdict.
-- Locks:    SHARE ROW EXCLUSIVE on scans.scan_result while the foreign key is added.
-- Data:     no rows but those of the inventory.
-- Old code: nothing reads it yet.
-- Rollback: drops every verdict of an engine; the results stay.
-- depends: 20261124_30_pre_scans_create_scan_result

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow prefer-bigint-over-smallint: numbers to 100.
-- allow prefer-bigint-over-int: milliseconds of at most some minutes.
CREATE TABLE scans.engine_verdict (
    workspace_id uuid             NOT NULL,
    scan_id      uuid             NOT NULL,
    confidence   double precision NOT NULL CONSTRAINT engine_verdict_confidence_range CHECK (confidence BETWEEN 0 AND 1),
    milliseconds integer          NOT NULL CONSTRAINT engine_verdict_milliseconds_not_negative CHECK (milliseconds >= 0),
    score        smallint         CONSTRAINT engine_verdict_score_range CHECK (score BETWEEN 0 AND 100),
    weight       smallint         NOT NULL CONSTRAINT engine_verdict_weight_range CHECK (weight BETWEEN 0 AND 100),
    engine       text             NOT NULL CONSTRAINT engine_verdict_engine_known CHECK (engine IN (
        'ADDRESS', 'REDIRECTS', 'TLS', 'HEADERS', 'FILES', 'PAGE', 'SCRIPTS', 'FEED', 'MODEL'
    )),
    version      text             NOT NULL CONSTRAINT engine_verdict_version_length CHECK (length(version) BETWEEN 1 AND 100),
    verdict      text             NOT NULL CONSTRAINT engine_verdict_verdict_known CHECK (verdict IN ('HARMLESS', 'SUSPICIOUS', 'MALICIOUS', 'UNKNOWN')),
    unchecked    text             CONSTRAINT engine_verdict_unchecked_known CHECK (unchecked IN (
        'UNREACHABLE', 'REFUSED_ADDRESS', 'ERROR_ANSWER', 'ACCESS_DENIED', 'NOT_A_PAGE', 'TRUNCATED', 'TOO_DEEP',
        'EMPTY', 'MADE_BY_SCRIPTS', 'LEADS_ELSEWHERE', 'SCRIPTS_NOT_RUN', 'NO_TLS_FACTS', 'NO_REDIRECTS',
        'HOST_NOT_PUBLIC', 'FEED_MISSING', 'FEED_OLD', 'NO_MODEL', 'MODEL_FAILED'
    )),
    categories   text[]           NOT NULL CONSTRAINT engine_verdict_categories_known CHECK (categories <@ ARRAY[
        'MALWARE', 'PHISHING', 'SCAM', 'SUSPICIOUS', 'ADULT_CONTENT', 'VIOLENCE', 'ILLEGAL_CONTENT', 'MISINFORMATION',
        'SPAM', 'OTHER'
    ]),
    CONSTRAINT engine_verdict_pkey PRIMARY KEY (workspace_id, scan_id, engine),
    CONSTRAINT engine_verdict_scan_result_fkey FOREIGN KEY (workspace_id, scan_id) REFERENCES scans.scan_result (workspace_id, scan_id),
    CONSTRAINT engine_verdict_unknown_has_no_score CHECK ((verdict = 'UNKNOWN') = (score IS NULL))
);

COMMENT ON TABLE scans.engine_verdict IS 'owned. What one engine says of a scan, and how much that counts.';
COMMENT ON COLUMN scans.engine_verdict.weight IS 'How much of its score counts, in hundredths.';
COMMENT ON COLUMN scans.engine_verdict.unchecked IS 'Why it could not look, or not at all of it.';

ALTER TABLE scans.engine_verdict ENABLE ROW LEVEL SECURITY;
ALTER TABLE scans.engine_verdict FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON scans.engine_verdict TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON scans.engine_verdict TO fivefold_owner USING (true) WITH CHECK (true);

-- Written once, with the end of its scan, and never changed.
GRANT SELECT ON scans.engine_verdict TO fivefold_api;
GRANT SELECT, INSERT ON scans.engine_verdict TO fivefold_worker;

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('scans.engine_verdict', 'workspace_id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.engine_verdict', 'scan_id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.engine_verdict', 'confidence', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('scans.engine_verdict', 'milliseconds', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.engine_verdict', 'score', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('scans.engine_verdict', 'weight', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.engine_verdict', 'engine', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.engine_verdict', 'version', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.engine_verdict', 'verdict', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('scans.engine_verdict', 'unchecked', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('scans.engine_verdict', 'categories', 'personal', 'service', 'include', 'delete', 'workspace', NULL);
