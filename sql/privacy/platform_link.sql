-- Platform links: a person's accounts on platforms.
-- Table: privacy.platform_link

-- name: count_platform_link :one
-- For the plan's limit; callers hold the workspace's row. A function: it counts the links of all members, who see only their own.
SELECT privacy.active_link_count() AS active;

-- name: edge_platform_link :edge
-- The link of each snapshot; also node(id).
SELECT l.id, l.platform_id, l.latest_snapshot_id, l.label, l.status, l.health, l.linked_at, l.unlinked_at, l.unlink_reason, l.seen_until, l.signed_since
FROM privacy.platform_link AS l
WHERE l.workspace_id = :workspace_id
    AND l.id = ANY(:ids::uuid[]);

-- name: get_platform_link_by_label :one
-- The active link that a person would mean by platform and label.
SELECT l.id, l.platform_id, l.latest_snapshot_id, l.label, l.status, l.health, l.linked_at, l.unlinked_at, l.unlink_reason, l.seen_until, l.signed_since
FROM privacy.platform_link AS l
JOIN privacy.platform AS p ON p.id = l.platform_id
WHERE l.workspace_id = :workspace_id
    AND l.status = 'ACTIVE'
    AND l.label = :label
    AND p.slug = :slug;

-- name: insert_platform_link :one
-- The demo's history lies in the past, hence the moment; the API links now. Scans are weekly until somebody chooses.
INSERT INTO privacy.platform_link (workspace_id, account_id, platform_id, label, linked_at, frequency)
VALUES (:workspace_id, :account_id, :platform_id, :label, coalesce(:linked_at::timestamptz, now()), 'WEEKLY')
RETURNING id, platform_id, latest_snapshot_id, label, status, health, linked_at, unlinked_at, unlink_reason, seen_until, signed_since;

-- name: lock_scanned_link :one
-- Scans of one link take turns here, so that none compares with a snapshot that is not the last. Along with it, what the scan was
-- taken against: the active template of that structure, else the newest that was active, else one that this workspace proposed;
-- with the config that was valid at the capture. Neither depends on what changes while a scan waits for its turn.
SELECT l.id, l.platform_id, l.latest_snapshot_id, l.status, l.health, l.seen_until, l.signed_since,
    t.id AS template_id, coalesce(c.version, 0) AS config_version
FROM privacy.platform_link AS l
LEFT JOIN LATERAL (
    SELECT n.id
    FROM privacy.template AS n
    WHERE n.platform_id = l.platform_id
        AND n.structure_hash = :structure_hash
        AND n.state <> 'REJECTED'
        AND (
            n.activated_at IS NOT NULL
            OR EXISTS (SELECT FROM privacy.proposal AS p WHERE p.workspace_id = :workspace_id AND p.template_id = n.id)
        )
    ORDER BY n.state = 'ACTIVE' DESC, n.activated_at IS NOT NULL DESC, n.version DESC NULLS LAST
    LIMIT 1
) AS t ON true
LEFT JOIN LATERAL (
    SELECT v.version
    FROM privacy.platform_config AS v
    WHERE v.platform_id = l.platform_id
        AND v.valid_from <= :captured_at
    ORDER BY v.valid_from DESC
    LIMIT 1
) AS c ON true
WHERE l.workspace_id = :workspace_id
    AND l.id = :id
FOR NO KEY UPDATE OF l;

-- name: page_platform_link :page
-- The links of the workspace, newest first.
SELECT l.id, l.platform_id, l.latest_snapshot_id, l.label, l.status, l.health, l.linked_at, l.unlinked_at, l.unlink_reason, l.seen_until, l.signed_since
FROM privacy.platform_link AS l
WHERE l.workspace_id = :workspace_id
    AND l.id < :after_id
    AND l.status = :status  -- if :status
ORDER BY l.id DESC
LIMIT :limit;

-- name: unlink_platform_link :one
-- Unlinking twice keeps the first moment and reason. Nothing is requested of an ended link, and nothing awaited.
UPDATE privacy.platform_link AS l
SET status = 'UNLINKED',
    unlinked_at = coalesce(l.unlinked_at, now()),
    unlink_reason = CASE WHEN l.status = 'UNLINKED' THEN l.unlink_reason ELSE :reason END,
    next_scan_at = NULL,
    awaited_until = NULL
WHERE l.workspace_id = :workspace_id
    AND l.id = :id
RETURNING l.id, l.platform_id, l.latest_snapshot_id, l.label, l.status, l.health, l.linked_at, l.unlinked_at, l.unlink_reason, l.seen_until, l.signed_since;

-- name: update_link_signing :one
-- Turning it on again keeps the first moment.
UPDATE privacy.platform_link AS l
SET signed_since = CASE WHEN :required THEN coalesce(l.signed_since, now()) END
WHERE l.workspace_id = :workspace_id
    AND l.id = :id
RETURNING l.id, l.platform_id, l.latest_snapshot_id, l.label, l.status, l.health, l.linked_at, l.unlinked_at, l.unlink_reason, l.seen_until, l.signed_since;

-- name: update_seen_until :exec
-- An unchanged scan: the latest snapshot holds until here, and no row is added. What failed before is over, no scan is awaited.
UPDATE privacy.platform_link AS l
SET seen_until = :seen_until,
    scan_milliseconds = :scan_milliseconds,
    awaited_until = NULL,
    consecutive_failures = CASE WHEN l.last_failure_at > :seen_until THEN l.consecutive_failures ELSE 0 END,
    stopped_at = CASE WHEN l.last_failure_at > :seen_until THEN l.stopped_at END
WHERE l.workspace_id = :workspace_id
    AND l.id = :id
    AND l.seen_until < :seen_until;
