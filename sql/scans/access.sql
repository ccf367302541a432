-- Accesses: what was asked for by scans, request by request. Appended to, and purged when its time is over.
-- Tables: scans.access, scans.access_outcome. A row of the first is written before anything is connected to, or when it was
-- refused; then, and in rows of earlier days, it says itself how it went.

-- name: delete_old_access :one
-- What is past its time, with what the audit told of it; that it did tell stays.
SELECT core.forget_audit_detail(p.ids) AS details, cardinality(p.ids) AS count
FROM (SELECT scans.purge_access(:limit::integer) AS ids) AS p;

-- name: edge_access :edge
-- For node(id).
SELECT a.id, a.scan_id, a.seq, a.kind, host(a.address) AS address, a.asn, a.port, coalesce(o.status, a.status) AS status,
    coalesce(o.failure, a.failure) AS failure,
    CASE WHEN a.status IS NULL AND a.failure IS NULL THEN o.milliseconds ELSE a.milliseconds END AS milliseconds, a.masked_url,
    encode(coalesce(o.content_sha256, a.content_sha256), 'hex') AS content_sha256,
    encode(coalesce(o.certificate_sha256, a.certificate_sha256), 'hex') AS certificate_sha256, a.trial
FROM scans.access AS a
LEFT JOIN scans.access_outcome AS o ON o.workspace_id = a.workspace_id AND o.access_id = a.id
WHERE a.workspace_id = :workspace_id
    AND a.id = ANY(:ids::uuid[]);

-- name: insert_access :exec
-- All requests of some scans at once, in their order: ids made by one statement ascend.
INSERT INTO scans.access (
    workspace_id, scan_id, address, asn, port, milliseconds, seq, status, trial, kind, failure, masked_url, url_hash,
    content_sha256, certificate_sha256)
SELECT :workspace_id, r.scan_id, r.address, r.asn, r.port, r.milliseconds, r.seq, r.status, r.trial, r.kind, r.failure,
    r.masked_url, r.url_hash, r.content_sha256, r.certificate_sha256
FROM unnest(
    :scan_ids::uuid[], :trials::boolean[], :addresses::inet[], :asns::bigint[], :ports::integer[], :milliseconds::integer[], :seqs::smallint[],
    :statuses::smallint[], :kinds::text[], :failures::text[], :masked_urls::text[], :url_hashes::bytea[], :contents::bytea[],
    :certificates::bytea[]
) WITH ORDINALITY AS r (
    scan_id, trial, address, asn, port, milliseconds, seq, status, kind, failure, masked_url, url_hash, content_sha256,
    certificate_sha256, place)
ORDER BY r.place;

-- name: insert_access_ahead :many
-- What is about to be connected to, of many scans in one statement. How it goes is told by an outcome, or never.
INSERT INTO scans.access (workspace_id, scan_id, address, asn, port, milliseconds, seq, trial, kind, masked_url, url_hash)
SELECT :workspace_id, r.scan_id, r.address, r.asn, r.port, 0, r.seq, :trial, r.kind, r.masked_url, r.url_hash
FROM unnest(
    :scan_ids::uuid[], :addresses::inet[], :asns::bigint[], :ports::integer[], :seqs::smallint[], :kinds::text[], :masked_urls::text[],
    :url_hashes::bytea[]
) AS r (scan_id, address, asn, port, seq, kind, masked_url, url_hash)
RETURNING id, scan_id, seq;

-- name: insert_access_outcome :exec
-- How some of them went.
INSERT INTO scans.access_outcome (workspace_id, access_id, milliseconds, status, failure, content_sha256, certificate_sha256)
SELECT :workspace_id, r.access_id, r.milliseconds, r.status, r.failure, r.content_sha256, r.certificate_sha256
FROM unnest(
    :access_ids::uuid[], :milliseconds::integer[], :statuses::smallint[], :failures::text[], :contents::bytea[],
    :certificates::bytea[]
) AS r (access_id, milliseconds, status, failure, content_sha256, certificate_sha256);

-- name: list_altered_access :many
-- Rows that are not what the audit was told when they were written, of all workspaces, for whoever verifies the audit: it proves
-- what it was told, and this that the rows still say the same. The columns are those of the tables' triggers; rows from before
-- there were numbers of networks have none, and nothing was told of one.
SELECT coalesce(a.id, e.id) AS id,
    CASE
        WHEN a.id IS NULL THEN 'ROW_DELETED'
        WHEN e.id IS NULL THEN 'ROW_INSERTED'
        WHEN e.detail IS NULL THEN 'ROW_UNPROVEN'
        ELSE 'ROW_CHANGED'
    END AS kind
FROM (
    SELECT t.workspace_id, t.object_id AS id, d.detail
    FROM core.audit_event AS t
    LEFT JOIN core.audit_detail AS d ON d.workspace_id = t.workspace_id AND d.event_id = t.id
    WHERE t.object = 'scans.access'
        AND t.action = 'INSERT'
) AS e
FULL JOIN scans.access AS a ON a.workspace_id = e.workspace_id AND a.id = e.id
WHERE (a.id IS NULL OR e.id IS NULL OR jsonb '{"asn": null}' || e.detail IS DISTINCT FROM core.audit_columns(
        to_jsonb(a),
        '{scan_id,address,asn,port,milliseconds,seq,status,trial,kind,failure,sha256:masked_url,sha256:url_hash,sha256:content_sha256,sha256:certificate_sha256}'
    ))
    AND NOT (a.id IS NULL AND EXISTS (
        SELECT
        FROM core.audit_event AS g
        WHERE g.workspace_id = e.workspace_id
            AND g.object = 'scans.access'
            AND g.object_id = e.id
            AND g.action = 'DELETE'
    ))
UNION ALL
SELECT coalesce(a.access_id, e.id) AS id,
    CASE
        WHEN a.access_id IS NULL THEN 'ROW_DELETED'
        WHEN e.id IS NULL THEN 'ROW_INSERTED'
        WHEN e.detail IS NULL THEN 'ROW_UNPROVEN'
        ELSE 'ROW_CHANGED'
    END AS kind
FROM (
    SELECT t.workspace_id, t.object_id AS id, d.detail
    FROM core.audit_event AS t
    LEFT JOIN core.audit_detail AS d ON d.workspace_id = t.workspace_id AND d.event_id = t.id
    WHERE t.object = 'scans.access_outcome'
        AND t.action = 'INSERT'
) AS e
FULL JOIN scans.access_outcome AS a ON a.workspace_id = e.workspace_id AND a.access_id = e.id
WHERE (a.access_id IS NULL OR e.id IS NULL OR e.detail IS DISTINCT FROM core.audit_columns(
        to_jsonb(a),
        '{milliseconds,status,failure,sha256:content_sha256,sha256:certificate_sha256}'
    ))
    AND NOT (a.access_id IS NULL AND EXISTS (
        SELECT
        FROM core.audit_event AS g
        WHERE g.workspace_id = e.workspace_id
            AND g.object = 'scans.access_outcome'
            AND g.object_id = e.id
            AND g.action = 'DELETE'
    ))
ORDER BY 1
LIMIT :limit;

-- name: page_access :page
-- What was asked for by one scan, the last first.
SELECT a.id, a.scan_id, a.seq, a.kind, host(a.address) AS address, a.asn, a.port, coalesce(o.status, a.status) AS status,
    coalesce(o.failure, a.failure) AS failure,
    CASE WHEN a.status IS NULL AND a.failure IS NULL THEN o.milliseconds ELSE a.milliseconds END AS milliseconds, a.masked_url,
    encode(coalesce(o.content_sha256, a.content_sha256), 'hex') AS content_sha256,
    encode(coalesce(o.certificate_sha256, a.certificate_sha256), 'hex') AS certificate_sha256, a.trial
FROM scans.access AS a
LEFT JOIN scans.access_outcome AS o ON o.workspace_id = a.workspace_id AND o.access_id = a.id
WHERE a.workspace_id = :workspace_id
    AND a.scan_id = :scan_id
    AND a.id < :after_id
ORDER BY a.id DESC
LIMIT :limit;
