-- Audit events: what was changed, by whom, in the order it happened.
-- Tables: core.audit_event, core.audit_detail

-- name: edge_audit_detail :edge
-- What the event changed; gone once the person was forgotten. What another member did with a product is that member's own affair:
-- that it was done is told, not what.
SELECT k.position, d.detail
FROM unnest(:event_ids::uuid[]) WITH ORDINALITY AS k (event_id, position)
JOIN core.audit_detail AS d ON d.event_id = k.event_id
JOIN core.audit_event AS e ON e.workspace_id = d.workspace_id AND e.id = d.event_id
WHERE d.workspace_id = :workspace_id
    AND (e.object LIKE 'core.%' OR coalesce(e.actor_id = :account_id, true));

-- name: edge_audit_event :edge
-- For node(id).
SELECT e.id, e.actor_id, e.api_key_id, e.request_id, e.action, e.object, e.object_id, e.commitment,
    uuid_extract_timestamp(e.id) AS occurred_at
FROM core.audit_event AS e
WHERE e.workspace_id = :workspace_id
    AND e.id = ANY(:ids::uuid[]);

-- name: insert_action :one
-- What is no change of a row and must be provable all the same. The function writes for the caller, in its workspace.
SELECT core.record_action(:action::text, :object::text, :object_id::uuid, :detail::jsonb) AS event_id;

-- name: insert_reads :many
-- What is personal to others is about to be read: one event for each table, none in one's own personal workspace.
SELECT core.record_action('READ', r.object, :workspace_id::uuid, jsonb_build_object('field', r.field)) AS event_id
FROM unnest(:objects::text[], :fields::text[]) AS r (object, field)
WHERE NOT EXISTS (
    SELECT
    FROM core.workspace AS w
    WHERE w.id = :workspace_id
        AND w.personal_account_id = :account_id
);

-- name: page_audit_event :page
-- Newest first. The id is the time, so a filter on the object reads only newer events than the page's end.
SELECT e.id, e.actor_id, e.api_key_id, e.request_id, e.action, e.object, e.object_id, e.commitment,
    uuid_extract_timestamp(e.id) AS occurred_at
FROM core.audit_event AS e
WHERE e.workspace_id = :workspace_id
    AND e.id < :after_id
    AND e.object = :object  -- if :object
    AND e.object_id = :object_id  -- if :object_id
ORDER BY e.id DESC
LIMIT :limit;
