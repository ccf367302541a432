-- Team members: who belongs to which team.
-- Table: core.team_member

-- name: delete_team_member :exec
-- Removing twice is removing once.
DELETE FROM core.team_member AS t
WHERE t.workspace_id = :workspace_id
    AND t.team_id = :team_id
    AND t.account_id = :member_id;

-- name: edge_team_of_member :edge
-- The teams of each member, 100 at most: as many as a workspace has.
SELECT k.position, t.id, t.name, t.description, t.version, t.created_at
FROM unnest(:account_ids::uuid[]) WITH ORDINALITY AS k (account_id, position)
CROSS JOIN LATERAL (
    SELECT t.id, t.name, t.description, t.version, t.created_at
    FROM core.team_member AS m
    JOIN core.team AS t ON t.workspace_id = m.workspace_id AND t.id = m.team_id
    WHERE m.workspace_id = :workspace_id
        AND m.account_id = k.account_id
    ORDER BY t.id
    LIMIT 100
) AS t
ORDER BY k.position, t.id;

-- name: insert_team_member :exec
-- Adding twice is adding once; that it is a member of the workspace is said by the foreign key.
INSERT INTO core.team_member (workspace_id, team_id, account_id)
SELECT m.workspace_id, :team_id, m.account_id
FROM core.member AS m
WHERE m.workspace_id = :workspace_id
    AND m.account_id = :member_id
ON CONFLICT (workspace_id, team_id, account_id) DO NOTHING;
