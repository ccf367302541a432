-- Rate buckets: what a workspace may still ask for.
-- Table: core.rate_bucket

-- name: take_rate_tokens :one
-- In a transaction of its own: in the operation's, its row lock would make a workspace's requests take turns.
SELECT t.granted, t.wait_seconds
FROM core.take_rate_tokens(:workspace_id, :wanted, :burst, :per_second) AS t;
