-- Audit proofs: the event to be proven. What the proof is made of is read by sql/core/audit_block.sql.
-- Table: core.audit_event

-- name: get_any_event :one
-- Of whichever workspace: an operator or an auditor proves.
SELECT e.workspace_id, e.id, e.actor_id, e.api_key_id, e.request_id, e.object_id, e.xid::text::bigint AS xid, e.form, e.action,
    e.object, e.commitment
FROM core.audit_event AS e
WHERE e.id = :id
ORDER BY e.workspace_id
LIMIT 1;

-- name: get_own_event :one
-- What the caller did, or anything in the workspace for who reads its log.
SELECT e.workspace_id, e.id, e.actor_id, e.api_key_id, e.request_id, e.object_id, e.xid::text::bigint AS xid, e.form, e.action,
    e.object, e.commitment
FROM core.audit_event AS e
WHERE e.workspace_id = :workspace_id
    AND e.id = :id
    AND (e.actor_id = :account_id OR :reads_all::boolean);
