-- Why:      a scan ends in a verdict; what it rests on is kept, and nothing of what the page said.
-- Change:   scans.holds_headers_only(), scans.scan_result.
-- Locks:    SHARE ROW EXCLUSIVE on scans.scan while the foreign key is added.
-- Data:     no rows but those of the inventory.
-- Old code: nothing reads it yet.
-- Rollback: drops every result.
-- depends: 20261124_01_pre_scans_create_scan 20261122_55_pre_core_classify_columns

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- A flat object of headers that are known, each a short text: there is no depth in which anything could be kept.
CREATE FUNCTION scans.holds_headers_only(headers jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = ''
RETURN CASE pg_catalog.jsonb_typeof(headers)
    WHEN 'object' THEN pg_catalog.octet_length(headers::text) <= 8192 AND NOT EXISTS (
        SELECT
        FROM pg_catalog.jsonb_each(headers) AS h (name, value)
        WHERE pg_catalog.jsonb_typeof(h.value) <> 'string'
            OR pg_catalog.length(h.value #>> '{}') > 2000
            OR h.name <> ALL (ARRAY[
                'access-control-allow-origin', 'cache-control', 'content-disposition', 'content-encoding',
                'content-security-policy', 'content-security-policy-report-only', 'content-type',
                'cross-origin-embedder-policy', 'cross-origin-opener-policy', 'cross-origin-resource-policy', 'location',
                'permissions-policy', 'referrer-policy', 'refresh', 'server', 'strict-transport-security', 'www-authenticate',
                'x-content-type-options', 'x-frame-options', 'x-powered-by', 'x-robots-tag', 'x-xss-protection'
            ])
    )
    ELSE false
END;

REVOKE ALL ON FUNCTION scans.holds_headers_only(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION scans.holds_headers_only(jsonb) TO fivefold_api, fivefold_worker;

-- allow prefer-bigint-over-smallint: scores to 100, statuses of HTTP.
-- allow prefer-bigint-over-int: versions that people count up.
CREATE TABLE scans.scan_result (
    workspace_id     uuid        NOT NULL,
    scan_id          uuid        NOT NULL,
    tls_not_before   timestamptz,
    tls_not_after    timestamptz,
    weights_version  integer     NOT NULL CONSTRAINT scan_result_weights_version_positive CHECK (weights_version > 0),
    prompt_version   integer     CONSTRAINT scan_result_prompt_version_positive CHECK (prompt_version > 0),
    score            smallint    CONSTRAINT scan_result_score_range CHECK (score BETWEEN 0 AND 100),
    http_status      smallint    CONSTRAINT scan_result_http_status_range CHECK (http_status BETWEEN 100 AND 599),
    verdict          text        NOT NULL CONSTRAINT scan_result_verdict_known CHECK (verdict IN ('HARMLESS', 'SUSPICIOUS', 'MALICIOUS', 'UNKNOWN')),
    content_type     text        CONSTRAINT scan_result_content_type_form CHECK (content_type ~ '^[a-z0-9.+/_ =;-]{1,120}$'),
    final_host       text        CONSTRAINT scan_result_final_host_length CHECK (length(final_host) BETWEEN 1 AND 255),
    tls_protocol     text        CONSTRAINT scan_result_tls_protocol_length CHECK (length(tls_protocol) BETWEEN 1 AND 20),
    tls_issuer       text        CONSTRAINT scan_result_tls_issuer_length CHECK (length(tls_issuer) <= 200),
    tls_problem      text        CONSTRAINT scan_result_tls_problem_form CHECK (tls_problem ~ '^[A-Z][A-Z_]{1,39}$'),
    model            text        CONSTRAINT scan_result_model_length CHECK (length(model) BETWEEN 1 AND 100),
    reasoning        text        NOT NULL CONSTRAINT scan_result_reasoning_length CHECK (length(reasoning) BETWEEN 1 AND 2000),
    categories       text[]      NOT NULL CONSTRAINT scan_result_categories_known CHECK (categories <@ ARRAY[
        'MALWARE', 'PHISHING', 'SCAM', 'SUSPICIOUS', 'ADULT_CONTENT', 'VIOLENCE', 'ILLEGAL_CONTENT', 'MISINFORMATION',
        'SPAM', 'OTHER'
    ]),
    unchecked        text[]      NOT NULL CONSTRAINT scan_result_unchecked_known CHECK (unchecked <@ ARRAY[
        'UNREACHABLE', 'REFUSED_ADDRESS', 'ERROR_ANSWER', 'ACCESS_DENIED', 'NOT_A_PAGE', 'TRUNCATED', 'TOO_DEEP',
        'EMPTY', 'MADE_BY_SCRIPTS', 'LEADS_ELSEWHERE', 'SCRIPTS_NOT_RUN', 'NO_TLS_FACTS', 'NO_REDIRECTS',
        'HOST_NOT_PUBLIC', 'FEED_MISSING', 'FEED_OLD', 'NO_MODEL', 'MODEL_FAILED'
    ]),
    cookie_names     text[]      NOT NULL CONSTRAINT scan_result_cookie_names_size CHECK (
        cardinality(cookie_names) <= 50 AND length(array_to_string(cookie_names, ' ')) <= 2000
    ),
    form_hosts       text[]      NOT NULL CONSTRAINT scan_result_form_hosts_size CHECK (
        cardinality(form_hosts) <= 20 AND length(array_to_string(form_hosts, ' ')) <= 5100
    ),
    content_hash     bytea       CONSTRAINT scan_result_content_hash_length CHECK (octet_length(content_hash) = 32),
    header_hash      bytea       CONSTRAINT scan_result_header_hash_length CHECK (octet_length(header_hash) = 32),
    favicon_hash     bytea       CONSTRAINT scan_result_favicon_hash_length CHECK (octet_length(favicon_hash) = 32),
    certificate_hash bytea       CONSTRAINT scan_result_certificate_hash_length CHECK (octet_length(certificate_hash) = 32),
    headers          jsonb       NOT NULL CONSTRAINT scan_result_headers_only CHECK (scans.holds_headers_only(headers)),
    CONSTRAINT scan_result_pkey PRIMARY KEY (workspace_id, scan_id),
    CONSTRAINT scan_result_scan_fkey FOREIGN KEY (workspace_id, scan_id) REFERENCES scans.scan (workspace_id, id),
    -- Unknown is not clean: it has no number that somebody could take for one.
    CONSTRAINT scan_result_unknown_has_no_score CHECK ((verdict = 'UNKNOWN') = (score IS NULL))
);

-- What else looks like this: asked within a workspace only.
CREATE INDEX scan_result_workspace_id_content_hash_idx ON scans.scan_result (workspace_id, content_hash)
WHERE content_hash IS NOT NULL;
CREATE INDEX scan_result_workspace_id_favicon_hash_idx ON scans.scan_result (workspace_id, favicon_hash)
WHERE favicon_hash IS NOT NULL;
CREATE INDEX scan_result_workspace_id_certificate_hash_idx ON scans.scan_result (workspace_id, certificate_hash)
WHERE certificate_hash IS NOT NULL;

COMMENT ON TABLE scans.scan_result IS 'owned. What a scan came to: a verdict, what was not looked at, and facts of the answer; nothing of the page.';
COMMENT ON COLUMN scans.scan_result.weights_version IS 'Scores of two versions do not compare; see app/scans/indicator.py.';
COMMENT ON COLUMN scans.scan_result.reasoning IS 'Sentences of ours alone; no word of the page is in it.';
COMMENT ON COLUMN scans.scan_result.unchecked IS 'What was not looked at, and why.';
COMMENT ON COLUMN scans.scan_result.content_hash IS 'SHA-256 of what was read.';
COMMENT ON COLUMN scans.scan_result.header_hash IS 'SHA-256 of the names of headers in their order.';
COMMENT ON COLUMN scans.scan_result.headers IS 'In words of ours, see app/scans/headers.py.';
COMMENT ON COLUMN scans.scan_result.form_hosts IS 'Where the forms of the page go, without what might be secret.';
COMMENT ON COLUMN scans.scan_result.final_host IS 'Of the address that answered, without what might be secret.';

ALTER TABLE scans.scan_result ENABLE ROW LEVEL SECURITY;
ALTER TABLE scans.scan_result FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON scans.scan_result TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON scans.scan_result TO fivefold_owner USING (true) WITH CHECK (true);

-- Written once, with the end of its scan, and never changed.
GRANT SELECT ON scans.scan_result TO fivefold_api;
GRANT SELECT, INSERT ON scans.scan_result TO fivefold_worker;

-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_insert AFTER INSERT ON scans.scan_result REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'scan_id', 'scan_id,verdict,score,weights_version,sha256:content_hash');
CREATE TRIGGER audit_update AFTER UPDATE ON scans.scan_result REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'scan_id', 'scan_id,verdict,score,weights_version,sha256:content_hash');
CREATE TRIGGER audit_delete AFTER DELETE ON scans.scan_result REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'scan_id', 'scan_id,verdict,score,weights_version');
ALTER TABLE scans.scan_result ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE scans.scan_result ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE scans.scan_result ENABLE ALWAYS TRIGGER audit_delete;

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('scans.scan_result', 'workspace_id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.scan_result', 'scan_id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.scan_result', 'tls_not_before', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.scan_result', 'tls_not_after', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.scan_result', 'weights_version', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.scan_result', 'prompt_version', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.scan_result', 'score', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('scans.scan_result', 'http_status', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('scans.scan_result', 'verdict', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('scans.scan_result', 'content_type', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('scans.scan_result', 'final_host', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('scans.scan_result', 'tls_protocol', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.scan_result', 'tls_issuer', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('scans.scan_result', 'tls_problem', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.scan_result', 'model', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.scan_result', 'reasoning', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('scans.scan_result', 'categories', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('scans.scan_result', 'unchecked', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('scans.scan_result', 'cookie_names', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('scans.scan_result', 'form_hosts', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('scans.scan_result', 'content_hash', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('scans.scan_result', 'header_hash', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('scans.scan_result', 'favicon_hash', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('scans.scan_result', 'certificate_hash', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('scans.scan_result', 'headers', 'personal', 'service', 'include', 'delete', 'workspace', NULL);
