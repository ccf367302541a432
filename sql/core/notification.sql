-- Notifications: what members are told.
-- Table: core.notification. A person sees their own; what they do not want to be shown in the app is left out.

-- name: count_unread_notification :one
-- For the number on a bell.
SELECT count(*) AS unread
FROM core.notification AS n
WHERE n.workspace_id = :workspace_id
    AND n.account_id = :account_id
    AND n.read_at IS NULL
    AND NOT EXISTS (
        SELECT
        FROM core.notification_preference AS p
        WHERE p.workspace_id = n.workspace_id
            AND p.account_id = n.account_id
            AND p.in_app_off >> n.kind & 1 = 1
    );

-- name: edge_notification :edge
-- For node(id), for alerts, and for what a mutation answers.
SELECT n.id, n.kind, n.object_id, n.detail, uuid_extract_timestamp(n.id) AS created_at, n.read_at, n.sent_at
FROM core.notification AS n
WHERE n.workspace_id = :workspace_id
    AND n.account_id = :account_id
    AND n.id = ANY(:ids::uuid[]);

-- name: insert_notification :exec
-- Unless the member wants neither to see nor to get it, or finds it too small.
INSERT INTO core.notification (workspace_id, account_id, object_id, send_at, kind, detail)
SELECT m.workspace_id, m.account_id, :object_id::uuid,
    CASE WHEN coalesce(p.email_off, 0) >> :kind::integer & 1 = 0 THEN now() END, :kind::integer, :detail::jsonb
FROM core.member AS m
LEFT JOIN core.notification_preference AS p ON p.workspace_id = m.workspace_id AND p.account_id = m.account_id
WHERE m.workspace_id = :workspace_id
    AND m.account_id = :member_id
    AND coalesce(p.minimum_significance, 'WORDING') = ANY (:reached::text[])  -- if :reached
    AND coalesce(p.in_app_off & p.email_off, 0) >> :kind::integer & 1 = 0;

-- name: list_notification_in_mail :many
-- What a mail holds that was not handed over yet.
SELECT n.id, n.kind, n.object_id, n.detail, uuid_extract_timestamp(n.id) AS created_at, n.read_at, n.sent_at
FROM core.notification AS n
WHERE n.workspace_id = :workspace_id
    AND n.account_id = :member_id
    AND n.id = ANY (:ids::uuid[])
    AND n.sent_at IS NULL
ORDER BY n.id;

-- name: page_notification :page
-- Newest first.
SELECT n.id, n.kind, n.object_id, n.detail, uuid_extract_timestamp(n.id) AS created_at, n.read_at, n.sent_at
FROM core.notification AS n
WHERE n.workspace_id = :workspace_id
    AND n.account_id = :account_id
    AND n.id < :after_id
    AND n.kind = :kind  -- if :kind
    AND (n.read_at IS NULL) = :unread  -- if :unread
    AND NOT EXISTS (
        SELECT
        FROM core.notification_preference AS p
        WHERE p.workspace_id = n.workspace_id
            AND p.account_id = n.account_id
            AND p.in_app_off >> n.kind & 1 = 1
    )
ORDER BY n.id DESC
LIMIT :limit;

-- name: take_waiting_mail :many
-- One mail holds all that waits; what nobody wants mailed any more, or that waited too long, waits no longer either.
UPDATE core.notification AS n
SET send_at = NULL
WHERE n.workspace_id = :workspace_id
    AND n.account_id = :member_id
    AND n.send_at IS NOT NULL
    AND n.kind = :kind  -- if :kind
RETURNING n.id, n.kind, uuid_extract_timestamp(n.id) > now() - interval '3 days' AS fresh;

-- name: update_mail_time :exec
-- The hours are quiet: all that waits goes out when they end.
UPDATE core.notification AS n
SET send_at = :send_at
WHERE n.workspace_id = :workspace_id
    AND n.account_id = :member_id
    AND n.send_at IS NOT NULL;

-- name: update_mailed :exec
-- The mail that holds them was handed over.
UPDATE core.notification AS n
SET sent_at = now()
WHERE n.workspace_id = :workspace_id
    AND n.account_id = :member_id
    AND n.id = ANY (:ids::uuid[]);

-- name: update_read :exec
-- Reading again keeps the first moment. What was read is not mailed any more.
UPDATE core.notification AS n
SET read_at = now(),
    send_at = NULL
WHERE n.workspace_id = :workspace_id
    AND n.account_id = :account_id
    AND n.id = ANY (:ids::uuid[])
    AND n.read_at IS NULL;

-- name: update_waiting_mail :exec
-- What waits for the end of hours that were quiet is looked at again, now that they may not be.
UPDATE core.notification AS n
SET send_at = now()
WHERE n.workspace_id = :workspace_id
    AND n.account_id = :account_id
    AND n.send_at > now();
