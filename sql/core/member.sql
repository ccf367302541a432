-- Members: who may act in a workspace.
-- Table: core.member

-- name: delete_member :one
-- Triggers end keys, devices and links, and refuse to let the last owner go.
DELETE FROM core.member AS m
WHERE m.workspace_id = :workspace_id
    AND m.account_id = :member_id
RETURNING m.account_id, m.role, m.joined_at;

-- name: edge_member :edge
-- For what a mutation of a team answers.
SELECT k.position, m.account_id, m.role, m.joined_at
FROM unnest(:ids::uuid[]) WITH ORDINALITY AS k (id, position)
JOIN core.member AS m ON m.account_id = k.id
WHERE m.workspace_id = :workspace_id;

-- name: edge_person :edge
-- Members by name; who may see an address is said by the function.
SELECT k.position, p.display_name, p.email
FROM unnest(:account_ids::uuid[]) WITH ORDINALITY AS k (account_id, position)
JOIN core.list_person(:account_ids::uuid[]) AS p ON p.account_id = k.account_id;

-- name: get_standing :one
-- How the caller stands to another; nothing when the caller is no member any more.
SELECT w.kind, m.role,
    (SELECT o.role FROM core.member AS o WHERE o.workspace_id = :workspace_id AND o.account_id = :other_id) AS other_role,
    (SELECT count(*) FROM core.member AS a WHERE a.workspace_id = :workspace_id AND a.role = 'owner') AS owners
FROM core.member AS m
JOIN core.workspace AS w ON w.id = m.workspace_id
WHERE m.workspace_id = :workspace_id
    AND m.account_id = :account_id;

-- name: lock_member :one
-- Whoever changes members of a workspace takes turns here: two owners who go at once would each count the other.
SELECT w.id
FROM core.workspace AS w
WHERE w.id = :workspace_id
FOR NO KEY UPDATE;

-- name: page_member :page
-- By account, which is also the primary key's order.
SELECT m.account_id, m.role, m.joined_at
FROM core.member AS m
WHERE m.workspace_id = :workspace_id
    AND m.account_id < :after_account_id
    AND m.role = :role  -- if :role
    AND EXISTS (SELECT FROM core.team_member AS t WHERE t.workspace_id = m.workspace_id AND t.account_id = m.account_id AND t.team_id = :team_id)  -- if :team_id
ORDER BY m.account_id DESC
LIMIT :limit;

-- name: update_role :one
-- Callers have asked get_standing, under the lock.
UPDATE core.member AS m
SET role = :role
WHERE m.workspace_id = :workspace_id
    AND m.account_id = :member_id
RETURNING m.account_id, m.role, m.joined_at;
