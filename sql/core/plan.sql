-- Plans: what a workspace may use.
-- Tables: core.plan, core.plan_limit, and core.workspace.plan

-- name: assign_plan :one
-- By a curator; nothing when there is no such workspace.
SELECT a.assigned
FROM core.assign_plan(:to_workspace_id, :plan) AS a (assigned)
WHERE a.assigned;

-- name: edge_plan :edge
-- For node(id).
SELECT p.id, p.slug, p.name, p.trial_days
FROM core.plan AS p
WHERE p.id = ANY(:ids::uuid[]);

-- name: edge_plan_limit :edge
-- What each plan limits.
SELECT k.position, l.name, l.amount, l.period
FROM unnest(:plan_ids::uuid[]) WITH ORDINALITY AS k (plan_id, position)
JOIN core.plan_limit AS l ON l.plan_id = k.plan_id
ORDER BY k.position, l.name;

-- name: edge_plan_of_workspace :edge
-- The plan of the caller's workspace.
SELECT k.position, p.id, p.slug, p.name, p.trial_days
FROM unnest(:workspace_ids::uuid[]) WITH ORDINALITY AS k (workspace_id, position)
JOIN core.workspace AS w ON w.id = k.workspace_id
JOIN core.plan AS p ON p.slug = w.plan
WHERE w.id = :workspace_id;

-- name: get_allowance :one
-- What the workspace's plan says of one thing. What no plan lists is not limited.
SELECT p.slug AS plan, l.amount
FROM core.workspace AS w
JOIN core.plan AS p ON p.slug = w.plan
LEFT JOIN core.plan_limit AS l ON l.plan_id = p.id AND l.name = :name
WHERE w.id = :workspace_id;

-- name: list_plan :many
-- From the least to the most; a handful.
SELECT p.id, p.slug, p.name, p.trial_days
FROM core.plan AS p
ORDER BY p.position;

-- name: lock_allowance :one
-- As get_allowance. Those who would use more of a limit take turns here, so that none counts without the other.
SELECT p.slug AS plan, l.amount
FROM core.workspace AS w
JOIN core.plan AS p ON p.slug = w.plan
LEFT JOIN core.plan_limit AS l ON l.plan_id = p.id AND l.name = :name
WHERE w.id = :workspace_id
FOR NO KEY UPDATE OF w;

-- name: update_plan :one
-- By the operator, for a person's own workspace.
UPDATE core.workspace AS w
SET assigned_plan = :plan,
    plan = core.largest_plan(w.id, :plan)
WHERE w.personal_account_id = :personal_account_id
RETURNING w.id;

-- name: update_plan_limit :one
-- By a curator; nothing when the plan limits no such thing.
UPDATE core.plan_limit AS l
SET amount = :amount::bigint
FROM core.plan AS p
WHERE p.id = l.plan_id
    AND p.slug = :plan
    AND l.name = :name
RETURNING p.id, p.slug, p.name, p.trial_days;
