-- Webhooks: where a workspace is told what happened.
-- Table: core.webhook

-- name: count_webhook :one
-- What the plan limits; disabled ones count, for they can be enabled at any time.
SELECT count(*) AS count
FROM core.webhook AS w
WHERE w.workspace_id = :workspace_id;

-- name: delete_webhook :one
-- With its deliveries and its secret.
DELETE FROM core.webhook AS w
WHERE w.workspace_id = :workspace_id
    AND w.id = :id
RETURNING w.id;

-- name: edge_webhook :edge
-- For node(id) and for what a mutation answers.
SELECT w.id, w.url, w.description, w.kinds, w.created_at, w.disabled_at, w.disabled_reason, w.failing_since,
    w.previous_until
FROM core.webhook AS w
WHERE w.workspace_id = :workspace_id
    AND w.id = ANY(:ids::uuid[]);

-- name: insert_webhook :one
-- Its id is given, because the sealed secret names it.
INSERT INTO core.webhook (workspace_id, id, url, description, kinds, secret)
VALUES (:workspace_id, :id, :url, :description, :kinds, :secret)
RETURNING id, url, description, kinds, created_at, disabled_at, disabled_reason, failing_since, previous_until;

-- name: lock_webhook :one
-- With its sealed secret, which is about to be replaced.
SELECT w.id, w.secret
FROM core.webhook AS w
WHERE w.workspace_id = :workspace_id
    AND w.id = :id
FOR NO KEY UPDATE;

-- name: page_webhook :page
-- Newest first, disabled ones too.
SELECT w.id, w.url, w.description, w.kinds, w.created_at, w.disabled_at, w.disabled_reason, w.failing_since, w.previous_until
FROM core.webhook AS w
WHERE w.workspace_id = :workspace_id
    AND w.id < :after_id
ORDER BY w.id DESC
LIMIT :limit;

-- name: update_webhook :one
-- What it is called, where it goes, what it is told.
UPDATE core.webhook AS w
SET url = coalesce(:url, w.url),
    description = coalesce(:description, w.description),
    kinds = coalesce(:kinds, w.kinds),
    failing_since = CASE WHEN :url = w.url THEN w.failing_since END,
    resting_until = NULL
WHERE w.workspace_id = :workspace_id
    AND w.id = :id
RETURNING w.id, w.url, w.description, w.kinds, w.created_at, w.disabled_at, w.disabled_reason, w.failing_since, w.previous_until;

-- name: update_webhook_disabled :one
-- Disabling again keeps the first moment and reason.
UPDATE core.webhook AS w
SET disabled_at = coalesce(w.disabled_at, now()),
    disabled_reason = coalesce(w.disabled_reason, :reason)
WHERE w.workspace_id = :workspace_id
    AND w.id = :id
RETURNING w.id, w.url, w.description, w.kinds, w.created_at, w.disabled_at, w.disabled_reason, w.failing_since, w.previous_until;

-- name: update_webhook_enabled :one
-- From now on it is told again.
UPDATE core.webhook AS w
SET disabled_at = NULL,
    disabled_reason = NULL,
    failing_since = NULL,
    resting_until = NULL
WHERE w.workspace_id = :workspace_id
    AND w.id = :id
RETURNING w.id, w.url, w.description, w.kinds, w.created_at, w.disabled_at, w.disabled_reason, w.failing_since, w.previous_until;

-- name: update_webhook_health :one
-- After an attempt: a success ends what failed, a failure lets the others wait.
UPDATE core.webhook AS w
SET failing_since = CASE WHEN :failed THEN coalesce(w.failing_since, now()) END,
    resting_until = :resting_until::timestamptz
WHERE w.workspace_id = :workspace_id
    AND w.id = :id
RETURNING w.failing_since;

-- name: update_webhook_rest :exec
-- Whoever replays has seen to it: it is tried at once.
UPDATE core.webhook AS w
SET resting_until = NULL
WHERE w.workspace_id = :workspace_id
    AND w.id = :id;

-- name: update_webhook_secret :one
-- The one before signs as well for a while.
UPDATE core.webhook AS w
SET secret = :secret,
    previous_secret = :previous_secret,
    previous_until = :previous_until
WHERE w.workspace_id = :workspace_id
    AND w.id = :id
RETURNING w.id, w.url, w.description, w.kinds, w.created_at, w.disabled_at, w.disabled_reason, w.failing_since, w.previous_until;
