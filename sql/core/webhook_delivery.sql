-- Deliveries of webhooks: one event for one webhook, and the attempts to hand it over.
-- Tables: core.webhook_delivery, core.webhook_attempt. Deliveries of news are made by the outbox's trigger.

-- name: edge_webhook_attempt :edge
-- The first hundred of each; nobody tries more between two replays.
SELECT k.position, a.created_at, a.milliseconds, a.http_status, a.failure
FROM unnest(:delivery_ids::uuid[]) WITH ORDINALITY AS k (delivery_id, position)
CROSS JOIN LATERAL (
    SELECT t.id, t.created_at, t.milliseconds, t.http_status, t.failure
    FROM core.webhook_attempt AS t
    WHERE t.workspace_id = :workspace_id
        AND t.delivery_id = k.delivery_id
    ORDER BY t.id DESC
    LIMIT 100
) AS a
ORDER BY k.position, a.id;

-- name: edge_webhook_delivery :edge
-- For node(id) and for what a mutation answers.
SELECT d.id, d.webhook_id, d.object_id, d.kind, d.event_at, d.next_at, d.ended_at, d.tries, d.status
FROM core.webhook_delivery AS d
WHERE d.workspace_id = :workspace_id
    AND d.id = ANY(:ids::uuid[]);

-- name: get_parcel :one
-- All that one attempt needs.
SELECT d.id, d.webhook_id, d.object_id, d.kind, d.event_at, d.detail, d.tries, d.turn, d.status, w.url, w.secret,
    w.previous_secret, w.previous_until, w.resting_until, w.disabled_at
FROM core.webhook_delivery AS d
JOIN core.webhook AS w ON w.workspace_id = d.workspace_id AND w.id = d.webhook_id
WHERE d.workspace_id = :workspace_id
    AND d.id = :id;

-- name: insert_missed_deliveries :exec
-- What the outbox holds and the webhook was not told, because it was disabled or did not ask for it then.
INSERT INTO core.webhook_delivery (workspace_id, webhook_id, event_id, object_id, event_at, kind, detail)
SELECT o.workspace_id, w.id, o.id, o.object_id, o.created_at, o.kind, o.detail
FROM core.webhook AS w
JOIN core.outbox AS o ON o.workspace_id = w.workspace_id AND o.kind = ANY (w.kinds)
WHERE w.workspace_id = :workspace_id
    AND w.id = :webhook_id
    AND o.created_at >= :since
ON CONFLICT (workspace_id, webhook_id, event_id) DO NOTHING;

-- name: insert_test_delivery :one
-- An event that did not happen, for one webhook; what is told is the webhook itself.
INSERT INTO core.webhook_delivery (workspace_id, webhook_id, event_id, object_id, event_at, kind, detail)
SELECT w.workspace_id, w.id, uuidv7(), w.id, now(), :kind, '{}'
FROM core.webhook AS w
WHERE w.workspace_id = :workspace_id
    AND w.id = :webhook_id
RETURNING id, webhook_id, object_id, kind, event_at, next_at, ended_at, tries, status;

-- name: insert_webhook_attempt :exec
-- What came of a request.
INSERT INTO core.webhook_attempt (workspace_id, delivery_id, milliseconds, http_status, failure)
VALUES (:workspace_id, :delivery_id, :milliseconds, :http_status, :failure);

-- name: list_waiting_turn :many
-- What is to be tried now, after a replay.
SELECT d.id, d.turn
FROM core.webhook_delivery AS d
WHERE d.workspace_id = :workspace_id
    AND d.webhook_id = :webhook_id
    AND d.status = 'WAITING'
    AND d.next_at <= now()
ORDER BY d.id
LIMIT :limit;

-- name: page_webhook_delivery :page
-- Newest first.
SELECT d.id, d.webhook_id, d.object_id, d.kind, d.event_at, d.next_at, d.ended_at, d.tries, d.status
FROM core.webhook_delivery AS d
WHERE d.workspace_id = :workspace_id
    AND d.webhook_id = :webhook_id  -- if :webhook_id
    AND d.status = :status  -- if :status
    AND d.id < :after_id
ORDER BY d.id DESC
LIMIT :limit;

-- name: update_deliveries_dead :exec
-- Of a webhook that was disabled.
UPDATE core.webhook_delivery AS d
SET status = 'DEAD',
    next_at = NULL,
    ended_at = now(),
    turn = d.turn + 1
WHERE d.workspace_id = :workspace_id
    AND d.webhook_id = :webhook_id
    AND d.status = 'WAITING';

-- name: update_deliveries_replayed :exec
-- What ended since then, dead letters or all.
UPDATE core.webhook_delivery AS d
SET status = 'WAITING',
    next_at = now(),
    ended_at = NULL,
    tries = 0,
    turn = d.turn + 1
WHERE d.workspace_id = :workspace_id
    AND d.webhook_id = :webhook_id
    AND d.event_at >= :since
    AND d.status = ANY (:statuses::text[]);

-- name: update_delivery_next :one
-- What comes after an attempt; nothing where somebody replayed it meanwhile.
UPDATE core.webhook_delivery AS d
SET status = :status,
    next_at = :next_at::timestamptz,
    ended_at = CASE WHEN :status = 'WAITING' THEN NULL ELSE now() END,
    tries = d.tries + :tried::integer,
    turn = d.turn + 1
WHERE d.workspace_id = :workspace_id
    AND d.id = :id
    AND d.turn = :turn
RETURNING d.id, d.turn;

-- name: update_delivery_replayed :one
-- As if it were new, under the same id.
UPDATE core.webhook_delivery AS d
SET status = 'WAITING',
    next_at = now(),
    ended_at = NULL,
    tries = 0,
    turn = d.turn + 1
WHERE d.workspace_id = :workspace_id
    AND d.id = :id
RETURNING d.id, d.webhook_id, d.object_id, d.kind, d.event_at, d.next_at, d.ended_at, d.tries, d.status;
