-- Publications: what owners of scans let others know.
-- Tables: scans.publication, scans.publication_address

-- name: delete_publication :one
-- What was published is nobody's any more at once; the scan is private again.
WITH gone AS (
    DELETE FROM scans.publication AS p
    WHERE p.workspace_id = :workspace_id
        AND p.scan_id = :scan_id
    RETURNING p.id
)
UPDATE scans.scan AS s
SET visibility = 'PRIVATE'
FROM gone AS g
WHERE s.workspace_id = :workspace_id
    AND s.id = :scan_id
RETURNING g.id;

-- name: get_own_publication :one
-- For who repeats a request.
SELECT p.id, p.scanned_at, p.score, p.verdict, p.host, p.masked_url, p.categories, encode(p.content_hash, 'hex') AS content_sha256,
    encode(p.certificate_hash, 'hex') AS certificate_sha256
FROM scans.publication AS p
WHERE p.workspace_id = :workspace_id
    AND p.scan_id = :scan_id;

-- name: get_publication :one
-- By its id where it is public, or by its link; see the function.
SELECT p.id, p.scanned_at, p.score, p.verdict, p.host, p.masked_url, p.categories, encode(p.content_hash, 'hex') AS content_sha256,
    encode(p.certificate_hash, 'hex') AS certificate_sha256
FROM scans.find_publication(:id::uuid, :token_hash::bytea)
    AS p (id, scanned_at, score, verdict, host, masked_url, categories, content_hash, certificate_hash);

-- name: insert_publication :one
-- A copy of what came of a completed scan. What is public has no secret in it, the scan's own constraint says.
WITH shown AS (
    UPDATE scans.scan AS s
    SET visibility = :visibility
    WHERE s.workspace_id = :workspace_id
        AND s.id = :scan_id
        AND s.state = 'COMPLETED'
    RETURNING s.id, s.finished_at, s.host, s.masked_url
)
INSERT INTO scans.publication (
    workspace_id, scan_id, scanned_at, score, visibility, verdict, host, masked_url, categories, content_hash, certificate_hash,
    favicon_hash, expression_hash, token_hash)
SELECT :workspace_id, s.id, s.finished_at, r.score, :visibility, r.verdict, s.host, s.masked_url, r.categories, r.content_hash,
    r.certificate_hash, CASE WHEN :visibility = 'PUBLIC' THEN r.favicon_hash END, :expression_hash, :token_hash
FROM shown AS s
JOIN scans.scan_result AS r ON r.workspace_id = :workspace_id AND r.scan_id = s.id
RETURNING id, scanned_at, score, verdict, host, masked_url, categories, encode(content_hash, 'hex') AS content_sha256,
    encode(certificate_hash, 'hex') AS certificate_sha256;

-- name: insert_publication_address :exec
-- What a scan that is public connected to: by that others find it.
INSERT INTO scans.publication_address (workspace_id, publication_id, address, asn)
SELECT DISTINCT ON (a.address) a.workspace_id, :id, a.address, a.asn
FROM scans.access AS a
WHERE a.workspace_id = :workspace_id
    AND a.scan_id = :scan_id
    AND a.address IS NOT NULL
ORDER BY a.address, a.id DESC;

-- name: page_publication :page
-- What is public, of all workspaces, and never whose it is; see the function. The newest first.
SELECT p.id, p.scanned_at, p.score, p.verdict, p.host, p.masked_url, p.categories, encode(p.content_hash, 'hex') AS content_sha256,
    encode(p.certificate_hash, 'hex') AS certificate_sha256
FROM scans.list_publication(:after_id, :limit, :host)
    AS p (id, scanned_at, score, verdict, host, masked_url, categories, content_hash, certificate_hash)
WHERE p.id < :after_id
ORDER BY p.id DESC
LIMIT :limit;

-- name: page_publication_of_address :page
-- What is public and connected to one of some addresses, whoever scanned it; see the function. The newest first.
SELECT p.id, p.scanned_at, p.score, p.verdict, p.host, p.masked_url, p.categories, encode(p.content_hash, 'hex') AS content_sha256,
    encode(p.certificate_hash, 'hex') AS certificate_sha256
FROM scans.list_publication_of_address(:addresses::inet[], :scan_id, :after_id, :limit)
    AS p (id, scanned_at, score, verdict, host, masked_url, categories, content_hash, certificate_hash)
WHERE p.id < :after_id
ORDER BY p.id DESC
LIMIT :limit;

-- name: page_publication_of_network :page
-- As those of addresses.
SELECT p.id, p.scanned_at, p.score, p.verdict, p.host, p.masked_url, p.categories, encode(p.content_hash, 'hex') AS content_sha256,
    encode(p.certificate_hash, 'hex') AS certificate_sha256
FROM scans.list_publication_of_network(:asns::bigint[], :scan_id, :after_id, :limit)
    AS p (id, scanned_at, score, verdict, host, masked_url, categories, content_hash, certificate_hash)
WHERE p.id < :after_id
ORDER BY p.id DESC
LIMIT :limit;

-- name: page_related_publication :page
-- What is public and has a hash in common with a scan, whoever scanned it; see the function. The newest first.
SELECT p.id, p.scanned_at, p.score, p.verdict, p.host, p.masked_url, p.categories, encode(p.content_hash, 'hex') AS content_sha256,
    encode(p.certificate_hash, 'hex') AS certificate_sha256
FROM scans.list_related_publication(:content_hash, :favicon_hash, :certificate_hash, :scan_id, :after_id, :limit)
    AS p (id, scanned_at, score, verdict, host, masked_url, categories, content_hash, certificate_hash)
WHERE p.id < :after_id
ORDER BY p.id DESC
LIMIT :limit;
