-- Why:      who looks at a page wants to know where else it was seen: in scans of others, as far as those made them public.
-- Change:   scans.publication_address and scans.publication.favicon_hash, copies as all that is published; the functions by which
--           others find what is public by page, icon, certificate, address and network.
-- Locks:    ACCESS EXCLUSIVE on scans.publication for a moment; SHARE while its indexes are built.
-- Data:     rows of the inventory. What was published before is found by page and certificate, for its owner chose to tell no more.
-- Old code: publishes without them.
-- Rollback: drops them; what is published stays so.
-- depends: 20261126_10_pre_scans_add_asn 20261124_41_pre_scans_create_publication

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

ALTER TABLE scans.publication ADD COLUMN favicon_hash bytea;
-- allow constraint-missing-not-valid: the column is new, so no row has to be looked at for long.
ALTER TABLE scans.publication ADD CONSTRAINT publication_favicon_hash_length CHECK (octet_length(favicon_hash) = 32);
-- allow constraint-missing-not-valid: as above.
ALTER TABLE scans.publication ADD CONSTRAINT publication_favicon_is_public CHECK (favicon_hash IS NULL OR visibility = 'PUBLIC');

COMMENT ON COLUMN scans.publication.favicon_hash IS 'Of the icon; by it what is public is found, and kept of nothing else.';

CREATE TABLE scans.publication_address (
    workspace_id   uuid NOT NULL,
    publication_id uuid NOT NULL,
    address        inet NOT NULL,
    asn            bigint CONSTRAINT publication_address_asn_range CHECK (asn BETWEEN 1 AND 4294967295),
    CONSTRAINT publication_address_pkey PRIMARY KEY (workspace_id, publication_id, address),
    CONSTRAINT publication_address_publication_fkey FOREIGN KEY (workspace_id, publication_id)
        REFERENCES scans.publication (workspace_id, id) ON DELETE CASCADE
);

-- Serve what others ask for, the newest first.
CREATE INDEX publication_address_address_publication_id_idx ON scans.publication_address (address, publication_id);
CREATE INDEX publication_address_asn_publication_id_idx ON scans.publication_address (asn, publication_id) WHERE asn IS NOT NULL;
-- allow require-concurrent-index-creation: what is public is few, and came in the same release.
CREATE INDEX publication_content_hash_id_idx ON scans.publication (content_hash, id) WHERE visibility = 'PUBLIC' AND content_hash IS NOT NULL;
-- allow require-concurrent-index-creation: what is public is few, and came in the same release.
CREATE INDEX publication_favicon_hash_id_idx ON scans.publication (favicon_hash, id) WHERE visibility = 'PUBLIC' AND favicon_hash IS NOT NULL;
-- allow require-concurrent-index-creation: what is public is few, and came in the same release.
CREATE INDEX publication_certificate_hash_id_idx ON scans.publication (certificate_hash, id) WHERE visibility = 'PUBLIC' AND certificate_hash IS NOT NULL;

COMMENT ON TABLE scans.publication_address IS 'owned. What a scan connected to that was made public: by that others find it, and never by the log of accesses.';

-- The planner keeps no values of them: a plan is for a hash or an address that few have.
ALTER TABLE scans.publication
ALTER COLUMN certificate_hash SET STATISTICS 0,
ALTER COLUMN content_hash SET STATISTICS 0,
ALTER COLUMN favicon_hash SET STATISTICS 0;
ALTER TABLE scans.publication_address
ALTER COLUMN address SET STATISTICS 0;

ALTER TABLE scans.publication_address ENABLE ROW LEVEL SECURITY;
ALTER TABLE scans.publication_address FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON scans.publication_address TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON scans.publication_address TO fivefold_owner USING (true) WITH CHECK (true);

-- They go with what was published, and no login deletes any itself.
GRANT SELECT, INSERT ON scans.publication_address TO fivefold_api;

-- What is public and has a hash in common with a scan, and never whose it is; of the hashes one is given. A verdict that was found
-- wrong is nobody's any more. Each asks an index in which nothing is but what is public: nothing else takes time.
CREATE FUNCTION scans.list_related_publication(content bytea, favicon bytea, certificate bytea, not_of uuid, after_id uuid, most bigint)
RETURNS TABLE (id uuid, scanned_at timestamptz, score smallint, verdict text, host text, masked_url text, categories text[], content_hash bytea,
    certificate_hash bytea)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    SELECT p.id, p.scanned_at, p.score, p.verdict, p.host, p.masked_url, p.categories, p.content_hash, p.certificate_hash
    FROM (
        (
            SELECT p.id, p.scanned_at, p.score, p.verdict, p.host, p.masked_url, p.categories, p.content_hash, p.certificate_hash
            FROM scans.publication AS p
            WHERE list_related_publication.content IS NOT NULL
                AND p.visibility = 'PUBLIC'
                AND p.content_hash = list_related_publication.content
                AND p.scan_id <> list_related_publication.not_of
                AND p.id < list_related_publication.after_id
                AND NOT EXISTS (
                    SELECT FROM scans.dispute AS d
                    WHERE d.workspace_id = p.workspace_id AND d.scan_id = p.scan_id AND d.state = 'ACCEPTED'
                )
            ORDER BY p.id DESC
            LIMIT list_related_publication.most
        )
        UNION ALL
        (
            SELECT p.id, p.scanned_at, p.score, p.verdict, p.host, p.masked_url, p.categories, p.content_hash, p.certificate_hash
            FROM scans.publication AS p
            WHERE list_related_publication.favicon IS NOT NULL
                AND p.visibility = 'PUBLIC'
                AND p.favicon_hash = list_related_publication.favicon
                AND p.scan_id <> list_related_publication.not_of
                AND p.id < list_related_publication.after_id
                AND NOT EXISTS (
                    SELECT FROM scans.dispute AS d
                    WHERE d.workspace_id = p.workspace_id AND d.scan_id = p.scan_id AND d.state = 'ACCEPTED'
                )
            ORDER BY p.id DESC
            LIMIT list_related_publication.most
        )
        UNION ALL
        (
            SELECT p.id, p.scanned_at, p.score, p.verdict, p.host, p.masked_url, p.categories, p.content_hash, p.certificate_hash
            FROM scans.publication AS p
            WHERE list_related_publication.certificate IS NOT NULL
                AND p.visibility = 'PUBLIC'
                AND p.certificate_hash = list_related_publication.certificate
                AND p.scan_id <> list_related_publication.not_of
                AND p.id < list_related_publication.after_id
                AND NOT EXISTS (
                    SELECT FROM scans.dispute AS d
                    WHERE d.workspace_id = p.workspace_id AND d.scan_id = p.scan_id AND d.state = 'ACCEPTED'
                )
            ORDER BY p.id DESC
            LIMIT list_related_publication.most
        )
    ) AS p
    ORDER BY p.id DESC
    LIMIT list_related_publication.most;
END;

-- What is public and connected to one of some addresses: as many as fit of each, then the newest of those.
CREATE FUNCTION scans.list_publication_of_address(addresses inet[], not_of uuid, after_id uuid, most bigint)
RETURNS TABLE (id uuid, scanned_at timestamptz, score smallint, verdict text, host text, masked_url text, categories text[], content_hash bytea,
    certificate_hash bytea)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    SELECT p.id, p.scanned_at, p.score, p.verdict, p.host, p.masked_url, p.categories, p.content_hash, p.certificate_hash
    FROM (
        SELECT DISTINCT e.workspace_id, e.id
        FROM unnest(list_publication_of_address.addresses) AS w (wanted)
        CROSS JOIN LATERAL (
            SELECT DISTINCT t.publication_id AS id, t.workspace_id
            FROM scans.publication_address AS t
            JOIN scans.publication AS q ON q.workspace_id = t.workspace_id AND q.id = t.publication_id
            WHERE t.address = w.wanted
                AND t.publication_id < list_publication_of_address.after_id
                AND q.visibility = 'PUBLIC'
                AND q.scan_id <> list_publication_of_address.not_of
                AND NOT EXISTS (
                    SELECT FROM scans.dispute AS d
                    WHERE d.workspace_id = q.workspace_id AND d.scan_id = q.scan_id AND d.state = 'ACCEPTED'
                )
            ORDER BY t.publication_id DESC
            LIMIT list_publication_of_address.most
        ) AS e
    ) AS f
    JOIN scans.publication AS p ON p.workspace_id = f.workspace_id AND p.id = f.id
    ORDER BY p.id DESC
    LIMIT list_publication_of_address.most;
END;

-- As those of addresses.
CREATE FUNCTION scans.list_publication_of_network(asns bigint[], not_of uuid, after_id uuid, most bigint)
RETURNS TABLE (id uuid, scanned_at timestamptz, score smallint, verdict text, host text, masked_url text, categories text[], content_hash bytea,
    certificate_hash bytea)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    SELECT p.id, p.scanned_at, p.score, p.verdict, p.host, p.masked_url, p.categories, p.content_hash, p.certificate_hash
    FROM (
        SELECT DISTINCT e.workspace_id, e.id
        FROM unnest(list_publication_of_network.asns) AS w (wanted)
        CROSS JOIN LATERAL (
            SELECT DISTINCT t.publication_id AS id, t.workspace_id
            FROM scans.publication_address AS t
            JOIN scans.publication AS q ON q.workspace_id = t.workspace_id AND q.id = t.publication_id
            WHERE t.asn = w.wanted
                AND t.publication_id < list_publication_of_network.after_id
                AND q.visibility = 'PUBLIC'
                AND q.scan_id <> list_publication_of_network.not_of
                AND NOT EXISTS (
                    SELECT FROM scans.dispute AS d
                    WHERE d.workspace_id = q.workspace_id AND d.scan_id = q.scan_id AND d.state = 'ACCEPTED'
                )
            ORDER BY t.publication_id DESC
            LIMIT list_publication_of_network.most
        ) AS e
    ) AS f
    JOIN scans.publication AS p ON p.workspace_id = f.workspace_id AND p.id = f.id
    ORDER BY p.id DESC
    LIMIT list_publication_of_network.most;
END;

REVOKE ALL ON FUNCTION scans.list_related_publication(bytea, bytea, bytea, uuid, uuid, bigint), scans.list_publication_of_address(inet[], uuid, uuid, bigint),
    scans.list_publication_of_network(bigint[], uuid, uuid, bigint)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION scans.list_related_publication(bytea, bytea, bytea, uuid, uuid, bigint), scans.list_publication_of_address(inet[], uuid, uuid, bigint),
    scans.list_publication_of_network(bigint[], uuid, uuid, bigint)
TO fivefold_api;

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('scans.publication', 'favicon_hash', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.publication_address', 'workspace_id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.publication_address', 'publication_id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.publication_address', 'address', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('scans.publication_address', 'asn', 'technical', 'service', 'include', 'delete', 'workspace', NULL);
