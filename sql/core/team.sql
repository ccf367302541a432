-- Teams: some members of an organization, by a name.
-- Table: core.team

-- name: count_team :one
-- Of the workspace.
SELECT count(*) AS teams
FROM core.team AS t
WHERE t.workspace_id = :workspace_id;

-- name: delete_team :one
-- Its members stay members of the workspace.
DELETE FROM core.team AS t
WHERE t.workspace_id = :workspace_id
    AND t.id = :id
RETURNING t.id, t.name, t.description, t.version, t.created_at;

-- name: edge_team :edge
-- For node(id) and for what a mutation answers.
SELECT t.id, t.name, t.description, t.version, t.created_at
FROM core.team AS t
WHERE t.workspace_id = :workspace_id
    AND t.id = ANY(:ids::uuid[]);

-- name: insert_team :one
-- A name that another team has is refused by its constraint.
INSERT INTO core.team (workspace_id, name, description)
VALUES (:workspace_id, :name, :description)
RETURNING id, name, description, version, created_at;

-- name: page_team :page
-- Newest first.
SELECT t.id, t.name, t.description, t.version, t.created_at
FROM core.team AS t
WHERE t.workspace_id = :workspace_id
    AND t.id < :after_id
ORDER BY t.id DESC
LIMIT :limit;

-- name: update_team :one
-- What is not given stays. Nothing where the version is another: somebody else has changed it.
UPDATE core.team AS t
SET version = t.version + 1,
    name = coalesce(:name, t.name),
    description = coalesce(:description, t.description)
WHERE t.workspace_id = :workspace_id
    AND t.id = :id
    AND t.version = :version
RETURNING t.id, t.name, t.description, t.version, t.created_at;
