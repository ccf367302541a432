-- Lookups: what is known of a URL, by a hash or by itself.
-- Table: scans.scan

-- name: list_own_match :many
-- The newest judged scan of each URL of the workspace whose keyed hash begins so. What was found wrong is nobody's verdict.
SELECT DISTINCT ON (s.url_hash) s.id AS scan_id, encode(s.url_hash, 'hex') AS full_hash, s.finished_at AS scanned_at, r.verdict, r.score,
    r.categories
FROM scans.scan AS s
JOIN scans.scan_result AS r ON r.workspace_id = s.workspace_id AND r.scan_id = s.id
WHERE s.workspace_id = :workspace_id
    AND s.url_hash BETWEEN :low AND :high
    AND s.state = 'COMPLETED'
    AND NOT EXISTS (
        SELECT
        FROM scans.dispute AS d
        WHERE d.workspace_id = s.workspace_id
            AND d.scan_id = s.id
            AND d.state = 'ACCEPTED'
    )
ORDER BY s.url_hash, s.id DESC
LIMIT :limit;

-- name: list_published_match :many
-- What is public in all workspaces, and never whose it is; see the function.
SELECT encode(p.full_hash, 'hex') AS full_hash, p.scanned_at, p.verdict, p.score, p.categories
FROM scans.find_published_hash(:low, :high, :limit) AS p (full_hash, scanned_at, score, verdict, categories);

-- name: page_url_history :page
-- All scans of one URL, the newest first.
SELECT s.id, s.account_id, s.state, s.version, s.visibility, s.attempt, s.failure, s.host, s.masked_url, s.has_secrets, s.created_at,
    s.updated_at, s.started_at, s.finished_at
FROM scans.scan AS s
WHERE s.workspace_id = :workspace_id
    AND s.url_hash = :url_hash
    AND s.id < :after_id
ORDER BY s.id DESC
LIMIT :limit;
