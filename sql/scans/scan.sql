-- Scans: URLs that are to be judged, and how far that is.
-- Table: scans.scan

-- name: edge_scan :edge
-- For node(id) and for what a mutation answers.
SELECT s.id, s.account_id, s.state, s.version, s.visibility, s.attempt, s.failure, s.host, s.masked_url, s.has_secrets,
    s.created_at, s.updated_at, s.started_at, s.finished_at
FROM scans.scan AS s
WHERE s.workspace_id = :workspace_id
    AND s.id = ANY(:ids::uuid[]);

-- name: get_purged_scan :one
-- Whether a scan was, and is no longer kept.
SELECT p.id
FROM scans.purged_scan AS p
WHERE p.workspace_id = :workspace_id
    AND p.id = :id;

-- name: list_consented_scan :many
-- Those whose askers consent to a purpose, each of them asked once; the worker may read no consents, so a function of the owner does.
SELECT s.id
FROM scans.scan AS s
JOIN (
    SELECT d.account_id
    FROM (
        SELECT DISTINCT t.account_id
        FROM scans.scan AS t
        WHERE t.workspace_id = :workspace_id
            AND t.id = ANY (:ids::uuid[])
    ) AS d
    WHERE core.hold_consent(d.account_id, :purpose)
) AS c USING (account_id)
WHERE s.workspace_id = :workspace_id
    AND s.id = ANY (:ids::uuid[]);

-- name: page_scan :page
-- The workspace's, the newest first. What is not finished and what is have an index each, which is told by the line alone.
SELECT s.id, s.account_id, s.state, s.version, s.visibility, s.attempt, s.failure, s.host, s.masked_url, s.has_secrets, s.created_at,
    s.updated_at, s.started_at, s.finished_at
FROM scans.scan AS s
WHERE s.workspace_id = :workspace_id
    AND s.id < :after_id
    AND s.state = :open AND s.state IN ('QUEUED', 'FETCHING', 'ANALYZING')  -- if :open
    AND s.state = :ended AND s.finished_at IS NOT NULL  -- if :ended
    AND s.host = :host  -- if :host
ORDER BY s.id DESC
LIMIT :limit;
