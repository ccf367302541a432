-- Why:      whoever paid for a scan may let others know what came of it; nobody else's scan is ever known.
-- Change:   scans.publication, and the functions by which others read what was published.
-- Locks:    SHARE ROW EXCLUSIVE on scans.scan while the foreign key is added.
-- Data:     no rows but those of the inventory.
-- Old code: nothing reads it yet.
-- Rollback: nothing is published any more.
-- depends: 20261124_30_pre_scans_create_scan_result 20261124_40_pre_scans_create_dispute

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow prefer-bigint-over-smallint: a score of 100.
CREATE TABLE scans.publication (
    workspace_id     uuid        NOT NULL,
    id               uuid        NOT NULL DEFAULT uuidv7(),
    scan_id          uuid        NOT NULL,
    scanned_at       timestamptz NOT NULL,
    score            smallint    CONSTRAINT publication_score_range CHECK (score BETWEEN 0 AND 100),
    visibility       text        NOT NULL CONSTRAINT publication_visibility_known CHECK (visibility IN ('UNLISTED', 'PUBLIC')),
    verdict          text        NOT NULL CONSTRAINT publication_verdict_known CHECK (verdict IN ('HARMLESS', 'SUSPICIOUS', 'MALICIOUS', 'UNKNOWN')),
    host             text        NOT NULL CONSTRAINT publication_host_length CHECK (length(host) BETWEEN 1 AND 255),
    masked_url       text        NOT NULL CONSTRAINT publication_masked_url_length CHECK (length(masked_url) BETWEEN 1 AND 2048),
    categories       text[]      NOT NULL CONSTRAINT publication_categories_known CHECK (categories <@ ARRAY[
        'MALWARE', 'PHISHING', 'SCAM', 'SUSPICIOUS', 'ADULT_CONTENT', 'VIOLENCE', 'ILLEGAL_CONTENT', 'MISINFORMATION',
        'SPAM', 'OTHER'
    ]),
    content_hash     bytea       CONSTRAINT publication_content_hash_length CHECK (octet_length(content_hash) = 32),
    certificate_hash bytea       CONSTRAINT publication_certificate_hash_length CHECK (octet_length(certificate_hash) = 32),
    expression_hash  bytea       CONSTRAINT publication_expression_hash_length CHECK (octet_length(expression_hash) = 32),
    token_hash       bytea       CONSTRAINT publication_token_hash_length CHECK (octet_length(token_hash) = 32),
    CONSTRAINT publication_pkey PRIMARY KEY (workspace_id, id),
    CONSTRAINT publication_scan_key UNIQUE (workspace_id, scan_id),
    CONSTRAINT publication_scan_fkey FOREIGN KEY (workspace_id, scan_id) REFERENCES scans.scan (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT publication_public_is_found CHECK ((visibility = 'PUBLIC') = (expression_hash IS NOT NULL)),
    CONSTRAINT publication_unlisted_has_token CHECK ((visibility = 'UNLISTED') = (token_hash IS NOT NULL))
);

-- Serve what others ask for: the list, one host's, a prefix, a link.
CREATE UNIQUE INDEX publication_id_idx ON scans.publication (id);
CREATE INDEX publication_host_id_idx ON scans.publication (host, id) WHERE visibility = 'PUBLIC';
CREATE INDEX publication_expression_hash_idx ON scans.publication (expression_hash) WHERE expression_hash IS NOT NULL;
CREATE UNIQUE INDEX publication_token_hash_idx ON scans.publication (token_hash) WHERE token_hash IS NOT NULL;

COMMENT ON TABLE scans.publication IS 'owned. What the owner of a scan lets others know: a copy, so that nothing of the scan itself is ever read by others.';
COMMENT ON COLUMN scans.publication.expression_hash IS 'SHA-256 of the URL as Safe Browsing spells it: of a public URL alone, so it tells nobody what they do not see.';
COMMENT ON COLUMN scans.publication.token_hash IS 'SHA-256 of the link''s secret, of 256 random bits.';

ALTER TABLE scans.publication ENABLE ROW LEVEL SECURITY;
ALTER TABLE scans.publication FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON scans.publication TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON scans.publication TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, DELETE ON scans.publication TO fivefold_api;

-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_insert AFTER INSERT ON scans.publication REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,scan_id,visibility,verdict,score');
CREATE TRIGGER audit_update AFTER UPDATE ON scans.publication REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,scan_id,visibility,verdict,score');
CREATE TRIGGER audit_delete AFTER DELETE ON scans.publication REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,scan_id,visibility');
ALTER TABLE scans.publication ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE scans.publication ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE scans.publication ENABLE ALWAYS TRIGGER audit_delete;

-- What others see of a publication, and never whose it is. A verdict that was found wrong is nobody's any more.
CREATE FUNCTION scans.list_publication(after_id uuid, most bigint, of_host text)
RETURNS TABLE (id uuid, scanned_at timestamptz, score smallint, verdict text, host text, masked_url text, categories text[], content_hash bytea,
    certificate_hash bytea)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    SELECT p.id, p.scanned_at, p.score, p.verdict, p.host, p.masked_url, p.categories, p.content_hash, p.certificate_hash
    FROM scans.publication AS p
    WHERE p.visibility = 'PUBLIC'
        AND p.id < list_publication.after_id
        AND (list_publication.of_host IS NULL OR p.host = list_publication.of_host)
        AND NOT EXISTS (
            SELECT FROM scans.dispute AS d
            WHERE d.workspace_id = p.workspace_id AND d.scan_id = p.scan_id AND d.state = 'ACCEPTED'
        )
    ORDER BY p.id DESC
    LIMIT list_publication.most;
END;

-- One by its id, where it is public, or by the hash of its link's secret.
CREATE FUNCTION scans.find_publication(publication_id uuid, link_hash bytea)
RETURNS TABLE (id uuid, scanned_at timestamptz, score smallint, verdict text, host text, masked_url text, categories text[], content_hash bytea,
    certificate_hash bytea)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    SELECT p.id, p.scanned_at, p.score, p.verdict, p.host, p.masked_url, p.categories, p.content_hash, p.certificate_hash
    FROM scans.publication AS p
    WHERE ((p.id = find_publication.publication_id AND p.visibility = 'PUBLIC') OR p.token_hash = find_publication.link_hash)
        AND NOT EXISTS (
            SELECT FROM scans.dispute AS d
            WHERE d.workspace_id = p.workspace_id AND d.scan_id = p.scan_id AND d.state = 'ACCEPTED'
        );
END;

-- What is known in public of hashes between two, the newest of each first.
CREATE FUNCTION scans.find_published_hash(low bytea, high bytea, most bigint)
RETURNS TABLE (full_hash bytea, scanned_at timestamptz, score smallint, verdict text, categories text[])
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    SELECT p.expression_hash, p.scanned_at, p.score, p.verdict, p.categories
    FROM scans.publication AS p
    WHERE p.expression_hash BETWEEN find_published_hash.low AND find_published_hash.high
        AND NOT EXISTS (
            SELECT FROM scans.dispute AS d
            WHERE d.workspace_id = p.workspace_id AND d.scan_id = p.scan_id AND d.state = 'ACCEPTED'
        )
    ORDER BY p.expression_hash, p.scanned_at DESC
    LIMIT find_published_hash.most;
END;

REVOKE ALL ON FUNCTION scans.list_publication(uuid, bigint, text), scans.find_publication(uuid, bytea), scans.find_published_hash(bytea, bytea, bigint)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION scans.list_publication(uuid, bigint, text), scans.find_publication(uuid, bytea), scans.find_published_hash(bytea, bytea, bigint)
TO fivefold_api;

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('scans.publication', 'workspace_id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.publication', 'id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.publication', 'scan_id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.publication', 'scanned_at', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.publication', 'score', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('scans.publication', 'visibility', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('scans.publication', 'verdict', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('scans.publication', 'host', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('scans.publication', 'masked_url', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('scans.publication', 'categories', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('scans.publication', 'content_hash', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.publication', 'certificate_hash', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.publication', 'expression_hash', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.publication', 'token_hash', 'secret', 'service', 'omit', 'delete', 'workspace', NULL);
