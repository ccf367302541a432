-- Members: who may act in a workspace.
-- Table: core.member

-- name: page_member :page
-- By account, which is also the primary key's order.
SELECT m.account_id, m.role, m.joined_at
FROM core.member AS m
WHERE m.workspace_id = :workspace_id
    AND m.account_id < :after_account_id
ORDER BY m.account_id DESC
LIMIT :limit;
