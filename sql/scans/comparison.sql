-- Comparisons: what two scans have in common, facts and never content.
-- Tables: scans.scan_result, scans.access

-- name: edge_scan_fact :edge
-- All that is compared of a completed scan, hashes in hex. The last page of its way is where it led; of a scan that was begun
-- again, because a worker was lost, the last way counts.
SELECT s.id, encode(s.url_hash, 'hex') AS url_hash, r.verdict, r.score, r.categories, r.http_status, r.content_type, r.final_host,
    r.tls_protocol, r.tls_issuer, r.headers, encode(r.content_hash, 'hex') AS content, encode(r.certificate_hash, 'hex') AS certificate,
    encode(r.favicon_hash, 'hex') AS favicon,
    coalesce((
        SELECT array_agg(i.engine || ' ' || i.kind || ' ' || i.weight::text ORDER BY i.engine, i.kind)
        FROM scans.indicator AS i
        WHERE i.workspace_id = s.workspace_id AND i.scan_id = s.id
    ), '{}') AS indicators,
    coalesce((
        SELECT jsonb_agg(
            jsonb_build_object('seq', a.seq, 'url_hash', encode(a.url_hash, 'hex'), 'masked_url', a.masked_url,
                'address', host(a.address), 'asn', a.asn, 'status', a.status)
            ORDER BY a.seq)
        FROM (
            SELECT DISTINCT ON (t.seq) t.seq, t.url_hash, t.address, t.asn, t.masked_url, coalesce(o.status, t.status) AS status
            FROM scans.access AS t
            LEFT JOIN scans.access_outcome AS o ON o.workspace_id = t.workspace_id AND o.access_id = t.id
            WHERE t.workspace_id = s.workspace_id AND t.scan_id = s.id AND t.kind = 'PAGE'
            ORDER BY t.seq, t.id DESC
        ) AS a
    ), '[]') AS hops
FROM scans.scan AS s
JOIN scans.scan_result AS r ON r.workspace_id = s.workspace_id AND r.scan_id = s.id
WHERE s.workspace_id = :workspace_id
    AND s.id = ANY(:ids::uuid[]);

-- name: get_pivot :one
-- By what others may be like a scan; of one that was not judged, addresses and networks alone.
SELECT r.content_hash, r.favicon_hash, r.certificate_hash,
    coalesce((
        SELECT array_agg(DISTINCT host(a.address))
        FROM scans.access AS a
        WHERE a.workspace_id = s.workspace_id AND a.scan_id = s.id AND a.address IS NOT NULL
    ), '{}') AS addresses,
    coalesce((
        SELECT array_agg(DISTINCT a.asn)
        FROM scans.access AS a
        WHERE a.workspace_id = s.workspace_id AND a.scan_id = s.id AND a.asn IS NOT NULL
    ), '{}') AS asns
FROM scans.scan AS s
LEFT JOIN scans.scan_result AS r ON r.workspace_id = s.workspace_id AND r.scan_id = s.id
WHERE s.workspace_id = :workspace_id
    AND s.id = :scan_id;

-- name: page_related_scan :page
-- Scans of the workspace that have a hash in common with one, the newest first.
SELECT s.id, s.account_id, s.state, s.version, s.visibility, s.attempt, s.failure, s.host, s.masked_url, s.has_secrets, s.created_at,
    s.updated_at, s.started_at, s.finished_at
FROM scans.scan_result AS r
JOIN scans.scan AS s ON s.workspace_id = r.workspace_id AND s.id = r.scan_id
WHERE r.workspace_id = :workspace_id
    AND r.scan_id <> :scan_id
    AND r.content_hash = :content_hash  -- if :content_hash
    AND r.favicon_hash = :favicon_hash  -- if :favicon_hash
    AND r.certificate_hash = :certificate_hash  -- if :certificate_hash
    AND r.scan_id < :after_id
ORDER BY r.scan_id DESC
LIMIT :limit;

-- name: page_scan_of_address :page
-- Scans of the workspace that connected to an address that another did, the newest first: as many as fit of each address, then
-- the newest of those.
SELECT s.id, s.account_id, s.state, s.version, s.visibility, s.attempt, s.failure, s.host, s.masked_url, s.has_secrets, s.created_at,
    s.updated_at, s.started_at, s.finished_at
FROM (
    SELECT DISTINCT e.scan_id
    FROM unnest(:addresses::inet[]) AS p (address)
    CROSS JOIN LATERAL (
        SELECT DISTINCT a.scan_id
        FROM scans.access AS a
        WHERE a.workspace_id = :workspace_id
            AND a.address = p.address
            AND a.scan_id <> :scan_id
            AND a.scan_id < :after_id
        ORDER BY a.scan_id DESC
        LIMIT :limit
    ) AS e
) AS r
JOIN scans.scan AS s ON s.workspace_id = :workspace_id AND s.id = r.scan_id
WHERE s.id < :after_id
ORDER BY s.id DESC
LIMIT :limit;

-- name: page_scan_of_network :page
-- Scans of the workspace that connected to a network that another did, as those of addresses.
SELECT s.id, s.account_id, s.state, s.version, s.visibility, s.attempt, s.failure, s.host, s.masked_url, s.has_secrets, s.created_at,
    s.updated_at, s.started_at, s.finished_at
FROM (
    SELECT DISTINCT e.scan_id
    FROM unnest(:asns::bigint[]) AS p (asn)
    CROSS JOIN LATERAL (
        SELECT DISTINCT a.scan_id
        FROM scans.access AS a
        WHERE a.workspace_id = :workspace_id
            AND a.asn = p.asn
            AND a.scan_id <> :scan_id
            AND a.scan_id < :after_id
        ORDER BY a.scan_id DESC
        LIMIT :limit
    ) AS e
) AS r
JOIN scans.scan AS s ON s.workspace_id = :workspace_id AND s.id = r.scan_id
WHERE s.id < :after_id
ORDER BY s.id DESC
LIMIT :limit;
