-- Outbox: what happened, for those who listen.
-- Table: core.outbox

-- name: insert_outbox :exec
-- In the transaction that made it happen.
INSERT INTO core.outbox (workspace_id, object_id, kind, detail)
VALUES (:workspace_id, :object_id, :kind, :detail);
