-- Migrations: what was applied to this database. Written by `fivefold migrate`.
-- Table: migration.ledger

-- name: page_migration :page
-- The newest first; an id begins with its day.
SELECT l.id AS name, l.app_release, l.applied_at, l.duration_ms AS milliseconds
FROM migration.ledger AS l
WHERE l.id < :after_name
ORDER BY l.id DESC
LIMIT :limit;
