-- Notification preferences: what a member wants to be told, how, and when not.
-- Table: core.notification_preference. No row means all as by default.

-- name: get_notification_preference :one
-- Of the caller.
SELECT p.digest_week, p.in_app_off, p.email_off, p.quiet_from, p.quiet_until, p.weekly_digest, p.minimum_significance
FROM core.notification_preference AS p
WHERE p.workspace_id = :workspace_id
    AND p.account_id = :account_id;

-- name: get_reader :one
-- To whom a mail goes, by whose clock, and what they want; for the worker, in the member's workspace.
SELECT a.email, a.display_name, a.time_zone, coalesce(p.digest_week, 0) AS digest_week, coalesce(p.in_app_off, 0) AS in_app_off,
    coalesce(p.email_off, 0) AS email_off, p.quiet_from, p.quiet_until, coalesce(p.weekly_digest, false) AS weekly_digest,
    coalesce(p.minimum_significance, 'WORDING') AS minimum_significance
FROM core.member AS m
JOIN core.account AS a ON a.id = m.account_id
LEFT JOIN core.notification_preference AS p ON p.workspace_id = m.workspace_id AND p.account_id = m.account_id
WHERE m.workspace_id = :workspace_id
    AND m.account_id = :member_id;

-- name: insert_notification_preference :exec
-- A row of defaults to lock; two at once make one.
INSERT INTO core.notification_preference (workspace_id, account_id)
VALUES (:workspace_id, :account_id)
ON CONFLICT (workspace_id, account_id) DO NOTHING;

-- name: lock_notification_preference :one
-- Two changes of one person's preferences take turns here, so that neither is lost.
SELECT p.digest_week, p.in_app_off, p.email_off, p.quiet_from, p.quiet_until, p.weekly_digest, p.minimum_significance
FROM core.notification_preference AS p
WHERE p.workspace_id = :workspace_id
    AND p.account_id = :account_id
FOR NO KEY UPDATE;

-- name: update_notification_preference :exec
-- All of it; callers hold the row.
UPDATE core.notification_preference AS p
SET digest_week = :digest_week,
    in_app_off = :in_app_off,
    email_off = :email_off,
    quiet_from = :quiet_from,
    quiet_until = :quiet_until,
    weekly_digest = :weekly_digest,
    minimum_significance = :minimum_significance
WHERE p.workspace_id = :workspace_id
    AND p.account_id = :account_id;
