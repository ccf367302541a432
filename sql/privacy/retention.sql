-- Retention: how long a workspace keeps its history, and what is left of what it kept no longer.
-- Tables: privacy.retention, privacy.purged_snapshot

-- name: delete_snapshot :exec
-- Their changes go with them.
DELETE FROM privacy.snapshot AS s
WHERE s.workspace_id = :workspace_id
    AND s.id = ANY (:ids::uuid[]);

-- name: delete_snapshot_detail :one
-- What the audit told of them goes as well; that it did tell stays.
SELECT core.forget_audit_detail(:ids::uuid[]) AS count;

-- name: get_purge :one
-- Whether anything of a link was purged, and until when at least.
SELECT count(*) AS count, max(p.captured_at) AS purged_until
FROM privacy.purged_snapshot AS p
WHERE p.workspace_id = :workspace_id
    AND p.link_id = :link_id;

-- name: get_retention :one
-- A year where nothing was chosen.
SELECT coalesce((SELECT r.keep FROM privacy.retention AS r WHERE r.workspace_id = :workspace_id), 'ONE_YEAR') AS keep;

-- name: insert_purged_snapshot :exec
-- Before they go: the changes of each as one hash. Its salt is that of the event that told of the snapshot, and is deleted with it.
INSERT INTO privacy.purged_snapshot (workspace_id, id, link_id, captured_at, change_count, change_hash)
SELECT s.workspace_id, s.id, s.link_id, s.captured_at, c.count,
    sha256(coalesce(a.salt, uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())) || convert_to(c.changes::text, 'UTF8'))
FROM privacy.snapshot AS s
CROSS JOIN LATERAL (
    SELECT
        count(*) AS count,
        coalesce(
            jsonb_agg(jsonb_build_array(h.setting, h.old_value, h.new_value, h.origin, h.significance) ORDER BY h.setting),
            '[]'::jsonb) AS changes
    FROM privacy.change AS h
    WHERE h.workspace_id = s.workspace_id
        AND h.snapshot_id = s.id
) AS c
LEFT JOIN (
    SELECT e.object_id, d.salt
    FROM core.audit_event AS e
    JOIN core.audit_detail AS d ON d.workspace_id = e.workspace_id AND d.event_id = e.id
    WHERE e.workspace_id = :workspace_id
        AND e.object = 'privacy.snapshot'
        AND e.action = 'INSERT'
        AND e.object_id = ANY (:ids::uuid[])
) AS a ON a.object_id = s.id
WHERE s.workspace_id = :workspace_id
    AND s.id = ANY (:ids::uuid[])
ON CONFLICT (workspace_id, id) DO NOTHING;

-- name: list_old_snapshot :many
-- The oldest first; never a link's latest. Callers hold the link's row, so that the latest stays what it is.
SELECT s.id
FROM privacy.snapshot AS s
JOIN privacy.platform_link AS l ON l.workspace_id = s.workspace_id AND l.id = s.link_id
WHERE s.workspace_id = :workspace_id
    AND s.link_id = :link_id
    AND s.id < core.uuidv7_floor(:bound)
    AND l.latest_snapshot_id IS DISTINCT FROM s.id
ORDER BY s.id
LIMIT :limit;

-- name: lock_old_link :one
-- A link of the workspace with something to purge. Scans of it wait.
SELECT l.id
FROM privacy.platform_link AS l
WHERE l.workspace_id = :workspace_id
    AND EXISTS (
        SELECT
        FROM privacy.snapshot AS s
        WHERE s.workspace_id = l.workspace_id
            AND s.link_id = l.id
            AND s.id < core.uuidv7_floor(:bound)
            AND s.id IS DISTINCT FROM l.latest_snapshot_id
    )
ORDER BY l.id
LIMIT 1
FOR NO KEY UPDATE OF l;

-- name: page_purged_snapshot :page
-- Of one link, the newest capture first.
SELECT p.id, p.captured_at, p.purged_at, p.change_count, encode(p.change_hash, 'hex') AS change_hash
FROM privacy.purged_snapshot AS p
WHERE p.workspace_id = :workspace_id
    AND p.link_id = :link_id
    AND p.id < :after_id
ORDER BY p.id DESC
LIMIT :limit;

-- name: upsert_retention :one
-- What is older than chosen goes with the next purge.
INSERT INTO privacy.retention AS r (workspace_id, keep)
VALUES (:workspace_id, :keep)
ON CONFLICT (workspace_id) DO UPDATE
SET keep = excluded.keep
RETURNING r.keep;
