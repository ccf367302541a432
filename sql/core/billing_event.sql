-- Billing events: what the payment provider told, once each.
-- Table: core.billing_event

-- name: get_billing_event :one
-- What a job is to do.
SELECT e.provider_event_id, e.type, e.state, e.occurred_at, e.detail
FROM core.billing_event AS e
WHERE e.workspace_id = :workspace_id
    AND e.id = :id;

-- name: get_pack_by_id :one
-- What was bought: the version of the pack that was shown.
SELECT p.credits, p.unit
FROM core.credit_pack AS p
WHERE p.id = :id;

-- name: receive_billing_event :one
-- By nobody: the signature was looked at before. Nothing but the workspace the second time.
SELECT r.event_id, r.tenant
FROM core.receive_billing_event(
    :provider_event_id, :type, :occurred_at, :customer, :given_workspace_id, :known::boolean, :detail::jsonb) AS r;

-- name: update_billing_event :exec
-- It was done, in the same transaction, with what came of it.
UPDATE core.billing_event AS e
SET state = :state,
    detail = e.detail || :outcome::jsonb
WHERE e.workspace_id = :workspace_id
    AND e.id = :id;
