-- Failures: scans that did not come, and why.
-- Table: privacy.platform_link, in columns of its own.

-- name: edge_last_scan :edge
-- The newer of the last scan and the last failure of each link. Unobserved bits make a scan partial; none means complete.
SELECT k.position, l.consecutive_failures,
    CASE
        WHEN l.seen_until IS NULL OR l.last_failure_at > l.seen_until THEN 'FAILED'
        WHEN bit_count(s.observed) < t.setting_count THEN 'PARTIAL'
        ELSE 'COMPLETED'
    END AS status,
    greatest(l.last_failure_at, l.seen_until) AS ended_at,
    l.seen_until AS succeeded_at,
    l.scan_milliseconds AS duration_milliseconds,
    l.last_failure_at AS failed_at,
    l.last_failure AS failure,
    l.failure_detail AS detail
FROM unnest(:link_ids::uuid[]) WITH ORDINALITY AS k (link_id, position)
JOIN privacy.platform_link AS l ON l.id = k.link_id
LEFT JOIN privacy.snapshot AS s ON s.workspace_id = l.workspace_id AND s.id = l.latest_snapshot_id
LEFT JOIN privacy.template AS t ON t.id = s.template_id
WHERE l.workspace_id = :workspace_id
    AND l.id = ANY(:link_ids::uuid[])
    AND (l.seen_until IS NOT NULL OR l.last_failure_at IS NOT NULL);

-- name: get_config_version :one
-- The config by which an extension read the page at a moment; nothing where the platform had none.
SELECT c.version
FROM privacy.platform_config AS c
WHERE c.platform_id = :platform_id
    AND c.valid_from <= :at
ORDER BY c.valid_from DESC
LIMIT 1;
