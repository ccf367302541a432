-- Submissions: what asks for scans.
-- Table: scans.scan

-- name: count_scan_together :one
-- How far the scans of a request are, and what they came to. What another request has made is told with that one; those that are
-- no longer kept count for nothing.
SELECT count(*) FILTER (WHERE s.finished_at IS NULL) AS under_way,
    count(*) FILTER (WHERE s.state = 'COMPLETED') AS completed,
    count(*) FILTER (WHERE r.verdict IN ('SUSPICIOUS', 'MALICIOUS')) AS risky,
    count(*) FILTER (WHERE s.state IN ('FAILED', 'TIMED_OUT')) AS failed
FROM scans.scan AS s
LEFT JOIN scans.scan_result AS r ON r.workspace_id = s.workspace_id AND r.scan_id = s.id
WHERE s.workspace_id = :workspace_id
    AND s.id = ANY (:ids::uuid[])
    AND s.batch_id = :batch_id;

-- name: get_fresh_scan :one
-- The newest scan of the same URL that was completed not long ago.
SELECT s.id
FROM scans.scan AS s
WHERE s.workspace_id = :workspace_id
    AND s.url_hash = :url_hash
    AND s.visibility = :visibility
    AND s.state = 'COMPLETED'
    AND s.finished_at > now() - :freshness::interval
ORDER BY s.id DESC
LIMIT 1;

-- name: insert_scan :one
-- It waits for an hour at most; whoever listens is told in the same transaction.
WITH made AS (
    INSERT INTO scans.scan (
        workspace_id, id, account_id, reservation_id, batch_id, deadline_at, visibility, host, masked_url, has_secrets, url_hash,
        url_sealed)
    VALUES (
        :workspace_id, :id, :member_id, :reservation_id, :batch_id, now() + interval '1 hour', :visibility, :host, :masked_url,
        :has_secrets, :url_hash, :url_sealed)
    RETURNING id, account_id, state, version, visibility, attempt, failure, host, masked_url, has_secrets, created_at, updated_at,
        started_at, finished_at
),
told AS (
    INSERT INTO core.outbox (workspace_id, object_id, kind, detail)
    SELECT :workspace_id, m.id, 'scans.scan_state', jsonb_build_object('state', m.state, 'version', m.version)
    FROM made AS m
)
SELECT m.id, m.account_id, m.state, m.version, m.visibility, m.attempt, m.failure, m.host, m.masked_url, m.has_secrets, m.created_at,
    m.updated_at, m.started_at, m.finished_at
FROM made AS m;
