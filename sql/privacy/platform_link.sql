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

-- name: lock_platform_link :one
-- Scans of one link take turns here, so that none compares with a snapshot that is not the last.
SELECT l.id, l.platform_id, l.latest_snapshot_id, l.label, l.status, l.health, l.linked_at, l.unlinked_at, l.unlink_reason, l.seen_until, l.signed_since
FROM privacy.platform_link AS l
WHERE l.workspace_id = :workspace_id
    AND l.id = :id
FOR NO KEY UPDATE;

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

-- name: update_latest_snapshot :exec
-- Only a snapshot that was captured last becomes the latest. What failed before it is over, and no scan is awaited.
UPDATE privacy.platform_link AS l
SET latest_snapshot_id = :latest_snapshot_id,
    seen_until = :seen_until,
    scan_milliseconds = :scan_milliseconds,
    awaited_until = NULL,
    consecutive_failures = CASE WHEN l.last_failure_at > :seen_until THEN l.consecutive_failures ELSE 0 END,
    stopped_at = CASE WHEN l.last_failure_at > :seen_until THEN l.stopped_at END
WHERE l.workspace_id = :workspace_id
    AND l.id = :id;

-- name: update_link_signing :one
-- Turning it on again keeps the first moment.
UPDATE privacy.platform_link AS l
SET signed_since = CASE WHEN :required THEN coalesce(l.signed_since, now()) END
WHERE l.workspace_id = :workspace_id
    AND l.id = :id
RETURNING l.id, l.platform_id, l.latest_snapshot_id, l.label, l.status, l.health, l.linked_at, l.unlinked_at, l.unlink_reason, l.seen_until, l.signed_since;

-- name: update_seen_until :exec
-- An unchanged scan: the latest snapshot holds until here, and no row is added. What failed before is over, as above.
UPDATE privacy.platform_link AS l
SET seen_until = :seen_until,
    scan_milliseconds = :scan_milliseconds,
    awaited_until = NULL,
    consecutive_failures = CASE WHEN l.last_failure_at > :seen_until THEN l.consecutive_failures ELSE 0 END,
    stopped_at = CASE WHEN l.last_failure_at > :seen_until THEN l.stopped_at END
WHERE l.workspace_id = :workspace_id
    AND l.id = :id
    AND l.seen_until < :seen_until;
