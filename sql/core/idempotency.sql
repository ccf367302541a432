-- Idempotency: keys of mutations, so that the same request twice is one effect.
-- Table: core.idempotency

-- name: get_idempotency :one
-- A statement of its own after the insert: in one statement with it, a row that was committed meanwhile stays unseen.
SELECT i.input_hash, i.result_id, i.created
FROM core.idempotency AS i
WHERE i.workspace_id = :workspace_id
    AND i.field = :field
    AND i.key = :key;

-- name: insert_idempotency :one
-- Waits for whoever holds the same key; returns nothing when that one committed.
INSERT INTO core.idempotency (workspace_id, field, key, input_hash, result_id, created)
VALUES (:workspace_id, :field, :key, :input_hash, :result_id, :created)
ON CONFLICT (workspace_id, field, key) DO NOTHING
RETURNING key;

-- name: update_idempotency :exec
-- What a second request will be told.
UPDATE core.idempotency AS i
SET result_id = :result_id,
    created = :created,
    moment = :moment
WHERE i.workspace_id = :workspace_id
    AND i.field = :field
    AND i.key = :key;
