-- Curators: who may write shared nouns. Run on the command line, by the owner of the tables.
-- Table: core.curator

-- name: delete_curator :one
-- Returns nothing when the account was none.
DELETE FROM core.curator AS c
WHERE c.account_id = :curator_id
RETURNING c.account_id AS id, c.granted_at;

-- name: insert_curator :one
-- Returns nothing when the account already is one.
INSERT INTO core.curator (account_id)
VALUES (:curator_id)
ON CONFLICT (account_id) DO NOTHING
RETURNING account_id AS id, granted_at;

-- name: list_curator :many
-- A few people; the oldest first.
SELECT a.id, a.email, a.display_name, c.granted_at
FROM core.curator AS c
JOIN core.account AS a ON a.id = c.account_id
ORDER BY c.granted_at, a.id;
