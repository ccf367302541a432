-- Security alerts: something that an attacker would do, told to whom it concerns.
-- Tables: core.security_alert, core.security_watch

-- name: edge_security_alert :edge
-- For node(id), and for the words of notifications.
SELECT a.id, a.object_id, a.event_at, a.kind, a.detail
FROM core.security_alert AS a
WHERE a.workspace_id = :workspace_id
    AND a.id = ANY(:ids::uuid[]);

-- name: insert_security_alerts :one
-- Each once by its key; see the function.
SELECT core.raise_security_alerts(:alerts::jsonb) AS raised;

-- name: list_other_owner :many
-- Whom to tell that a workspace was deleted; see the function.
SELECT o.owner_id, o.personal_workspace_id, o.name
FROM core.list_other_owner(:of_workspace_id, :but_account_id) AS o;

-- name: list_watched :many
-- What the rules judge; see the function.
SELECT w.workspace_id AS told_workspace_id, w.event_id, w.account_id AS concerned_id, w.object_id, w.event_at, w.action, w.object,
    w.detail, w.recent, w.client_known, w.signed_in_before
FROM core.list_watched(:since, :refused_window) AS w;

-- name: page_security_alert :page
-- Newest first.
SELECT a.id, a.object_id, a.event_at, a.kind, a.detail
FROM core.security_alert AS a
WHERE a.workspace_id = :workspace_id
    AND a.id < :after_id
ORDER BY a.id DESC
LIMIT :limit;

-- name: take_security_watch :one
-- Where the last look ended.
SELECT core.take_security_watch() AS watched_until;
