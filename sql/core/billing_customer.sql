-- Customers: who a workspace is to the payment provider.
-- Table: core.billing_customer

-- name: get_billing_customer :one
-- Nothing for a workspace that never bought anything.
SELECT c.provider_customer_id
FROM core.billing_customer AS c
WHERE c.workspace_id = :workspace_id;

-- name: insert_billing_customer :exec
-- Two who order at once were given the same customer by the provider.
INSERT INTO core.billing_customer (workspace_id, provider_customer_id)
VALUES (:workspace_id, :provider_customer_id)
ON CONFLICT (workspace_id) DO NOTHING;

-- name: list_leaving_customer :many
-- Of whom an erasure that is due takes the workspace.
SELECT l.workspace_id, l.provider_customer_id
FROM core.list_leaving_customer(:erasure_id) AS l;
