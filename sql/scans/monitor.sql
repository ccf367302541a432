-- Monitors: URLs that are scanned again and again.
-- Table: scans.monitor

-- name: count_monitor :one
-- For the plan's limit; those that are paused count, for they go on when somebody says so.
SELECT count(*) AS used
FROM scans.monitor AS m
WHERE m.workspace_id = :workspace_id;

-- name: delete_monitor :one
-- Its scans stay.
DELETE FROM scans.monitor AS m
WHERE m.workspace_id = :workspace_id
    AND m.id = :id
RETURNING m.id;

-- name: edge_monitor :edge
-- For node(id), for what a mutation answers, and for the words of what is told.
SELECT m.id, m.latest_scan_id, m.pending_scan_id, m.host, m.masked_url, m.interval_hours, m.alert_on, m.due_at, m.paused_at,
    m.pause_reason, uuid_extract_timestamp(m.id) AS created_at
FROM scans.monitor AS m
WHERE m.workspace_id = :workspace_id
    AND m.id = ANY(:ids::uuid[]);

-- name: insert_monitor :one
-- The first scan is due at once.
INSERT INTO scans.monitor (workspace_id, id, account_id, due_at, interval_hours, host, masked_url, alert_on, url_hash, url_sealed)
VALUES (:workspace_id, :id, :account_id, now(), :interval_hours, :host, :masked_url, :alert_on, :url_hash, :url_sealed)
RETURNING id;

-- name: list_watchful :many
-- Where something is due, in all workspaces, and nothing else; see the function.
SELECT w.workspace_id AS id
FROM scans.list_watchful(:now, :limit) AS w (workspace_id);

-- name: lock_compared_monitor :one
-- One whose scan has ended and was not looked at yet. Two jobs at once take two.
SELECT m.id, m.account_id AS member_id, m.latest_scan_id, m.pending_scan_id, m.alert_on, s.state
FROM scans.monitor AS m
JOIN scans.scan AS s ON s.workspace_id = m.workspace_id AND s.id = m.pending_scan_id
WHERE m.workspace_id = :workspace_id
    AND s.state IN ('COMPLETED', 'FAILED', 'TIMED_OUT')
ORDER BY m.id
LIMIT 1
FOR UPDATE OF m SKIP LOCKED;

-- name: lock_due_monitor :one
-- The longest overdue, whoever still is a member or not. Two jobs at once take two.
SELECT m.id, m.account_id AS member_id, m.due_at, m.interval_hours, m.url_hash, m.url_sealed, c.account_id IS NOT NULL AS is_member
FROM scans.monitor AS m
LEFT JOIN core.member AS c ON c.workspace_id = m.workspace_id AND c.account_id = m.account_id
WHERE m.workspace_id = :workspace_id
    AND m.paused_at IS NULL
    AND m.pending_scan_id IS NULL
    AND m.due_at <= :now
ORDER BY m.due_at, m.id
LIMIT 1
FOR UPDATE OF m SKIP LOCKED;

-- name: page_monitor :page
-- The newest first.
SELECT m.id, m.latest_scan_id, m.pending_scan_id, m.host, m.masked_url, m.interval_hours, m.alert_on, m.due_at, m.paused_at,
    m.pause_reason, uuid_extract_timestamp(m.id) AS created_at
FROM scans.monitor AS m
WHERE m.workspace_id = :workspace_id
    AND m.id < :after_id
ORDER BY m.id DESC
LIMIT :limit;

-- name: update_compared :exec
-- What ended badly is no ground to compare with.
UPDATE scans.monitor AS m
SET latest_scan_id = CASE WHEN :completed THEN m.pending_scan_id ELSE m.latest_scan_id END,
    pending_scan_id = NULL
WHERE m.workspace_id = :workspace_id
    AND m.id = :id;

-- name: update_monitor :one
-- What is not given stays. What goes on after a pause is due as it was, or at once.
UPDATE scans.monitor AS m
SET interval_hours = coalesce(:interval_hours::smallint, m.interval_hours),
    alert_on = coalesce(:alert_on::text[], m.alert_on),
    due_at = least(m.due_at, now() + make_interval(hours => coalesce(:interval_hours::smallint, m.interval_hours))),
    paused_at = CASE WHEN :paused::boolean THEN coalesce(m.paused_at, now()) WHEN NOT :paused THEN NULL ELSE m.paused_at END,
    pause_reason = CASE WHEN :paused THEN coalesce(m.pause_reason, 'ASKED') WHEN NOT :paused THEN NULL ELSE m.pause_reason END
WHERE m.workspace_id = :workspace_id
    AND m.id = :id
RETURNING m.id;

-- name: update_paused :one
-- By a job that could not go on; no row where it is paused already.
UPDATE scans.monitor AS m
SET paused_at = now(),
    pause_reason = :reason
WHERE m.workspace_id = :workspace_id
    AND m.id = :id
    AND m.paused_at IS NULL
RETURNING m.id;

-- name: update_pending :exec
-- The scan that was asked for, and when the next is due.
UPDATE scans.monitor AS m
SET pending_scan_id = :scan_id,
    due_at = :due_at
WHERE m.workspace_id = :workspace_id
    AND m.id = :id;
