-- Alerts: notifications of what a scan found that the person was not seen changing.
-- Tables: core.notification, privacy.snapshot. What a purge took away has no alert any more.

-- name: edge_alert :edge
-- What the words of alerts need: whose page it is, and which snapshots are compared.
SELECT s.id, l.label, p.name AS platform,
    (
        SELECT h.id
        FROM privacy.snapshot AS h
        WHERE h.workspace_id = s.workspace_id
            AND h.link_id = s.link_id
            AND h.id < s.id
        ORDER BY h.id DESC
        LIMIT 1
    ) AS previous_id
FROM privacy.snapshot AS s
JOIN privacy.platform_link AS l ON l.workspace_id = s.workspace_id AND l.id = s.link_id
JOIN privacy.platform AS p ON p.id = l.platform_id
WHERE s.workspace_id = :workspace_id
    AND s.id = ANY(:snapshot_ids::uuid[]);

-- name: get_recipient :one
-- Who linked the account is told, whoever sent the scan.
SELECT l.account_id AS id
FROM privacy.platform_link AS l
WHERE l.workspace_id = :workspace_id
    AND l.id = :link_id;

-- name: page_alert :page
-- Newest first. The snapshot before is found as the comparison found it.
SELECT n.id, s.id AS snapshot_id, s.link_id, uuid_extract_timestamp(n.id) AS created_at, n.read_at,
    (
        SELECT h.id
        FROM privacy.snapshot AS h
        WHERE h.workspace_id = s.workspace_id
            AND h.link_id = s.link_id
            AND h.id < s.id
        ORDER BY h.id DESC
        LIMIT 1
    ) AS previous_id
FROM core.notification AS n
JOIN privacy.snapshot AS s ON s.workspace_id = n.workspace_id AND s.id = n.object_id
WHERE n.workspace_id = :workspace_id
    AND n.account_id = :account_id
    AND n.kind = 1
    AND n.id < :after_id
    AND s.link_id = :link_id  -- if :link_id
    AND (n.read_at IS NULL) = :unread  -- if :unread
ORDER BY n.id DESC
LIMIT :limit;
