-- Data exports: all that is known of a person, as one file.
-- Tables: core.data_export, core.data_export_chunk

-- name: count_data_export :one
-- Those of the last seven days: older ones are gone.
SELECT count(*) AS count
FROM core.data_export AS e
WHERE e.workspace_id = :workspace_id;

-- name: delete_data_export_chunk :exec
-- What an attempt that was cut off may have left.
DELETE FROM core.data_export_chunk AS c
WHERE c.workspace_id = :workspace_id
    AND c.export_id = :export_id;

-- name: edge_data_export :edge
-- For node(id) and for what a mutation answers.
SELECT e.id, e.created_at, e.finished_at, e.expires_at, e.used_at, e.size, e.digest
FROM core.data_export AS e
WHERE e.workspace_id = :workspace_id
    AND e.id = ANY(:ids::uuid[]);

-- name: get_export_piece :one
-- One piece, sealed, for whoever has used up the link.
SELECT p.workspace_id AS of_workspace_id, p.export_id, p.data_key_id, p.wrapped, p.content
FROM core.get_export_piece(:used_hash, :number) AS p;

-- name: get_open_export :one
-- Whose it is, while it is being made.
SELECT e.id, e.account_id AS subject_id, e.created_at
FROM core.data_export AS e
WHERE e.workspace_id = :workspace_id
    AND e.id = :id
    AND e.finished_at IS NULL;

-- name: insert_data_export :one
-- In the personal workspace, one at a time.
INSERT INTO core.data_export (workspace_id, account_id)
SELECT w.id, :account_id
FROM core.workspace AS w
WHERE w.id = :workspace_id
    AND w.personal_account_id = :account_id
ON CONFLICT DO NOTHING
RETURNING id, created_at, finished_at, expires_at, used_at, size, digest;

-- name: insert_data_export_chunk :exec
-- In the transaction that finishes the export; the content is sealed.
INSERT INTO core.data_export_chunk (workspace_id, export_id, number, content)
VALUES (:workspace_id, :export_id, :number, :content);

-- name: list_export_column :many
-- What the files hold, and what they leave out and why.
SELECT i.object, i.column_name, i.class AS class_, i.purpose, i.retention, i.export_rule = 'include' AS included, i.reason,
    format_type(a.atttypid, NULL) AS type
FROM core.data_inventory AS i
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.object::regclass AND a.attname = i.column_name
WHERE i.class <> 'shared'
    AND split_part(i.object, '.', 1) NOT IN ('jobs', 'migration')
ORDER BY i.object, a.attnum;

-- name: list_export_row :many
-- A stretch of one table, by the key.
SELECT r.key, r.content
FROM core.page_export_row(:export_id, :object, :after::jsonb, :size) AS r;

-- name: page_data_export :page
-- Newest first.
SELECT e.id, e.created_at, e.finished_at, e.expires_at, e.used_at, e.size, e.digest
FROM core.data_export AS e
WHERE e.workspace_id = :workspace_id
    AND e.id < :after_id
ORDER BY e.id DESC
LIMIT :limit;

-- name: take_export :one
-- Uses up a link.
SELECT e.export_id, e.size
FROM core.take_export(:link_hash) AS e;

-- name: take_export_link :one
-- For the mail: from now on this link is the good one. No row where there is nothing to mail.
SELECT l.email, l.display_name, l.expires_at
FROM core.prepare_export_link(:id, :link_hash) AS l;

-- name: update_export_link :one
-- A new link ends the one before.
UPDATE core.data_export AS e
SET link_hash = :link_hash,
    link_expires_at = e.expires_at,
    link_mailed = false
WHERE e.workspace_id = :workspace_id
    AND e.id = :id
    AND e.finished_at IS NOT NULL
    AND e.expires_at > now()
RETURNING e.id, e.created_at, e.finished_at, e.expires_at, e.used_at, e.size, e.digest;

-- name: update_finished_export :exec
-- The file is there.
UPDATE core.data_export AS e
SET finished_at = now(),
    expires_at = now() + interval '7 days',
    size = :size,
    digest = :digest
WHERE e.workspace_id = :workspace_id
    AND e.id = :id;
