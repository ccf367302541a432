-- Exposures: how long settings left a person exposed, worked out from the history of links.
-- Tables: privacy.snapshot, privacy.platform_link, privacy.change

-- name: edge_change_origin :edge
-- Who is likely to have made a few changes, named by snapshot and setting.
SELECT k.position, c.origin, c.confidence
FROM unnest(:snapshot_ids::uuid[], :settings::text[]) WITH ORDINALITY AS k (snapshot_id, setting, position)
JOIN privacy.change AS c ON c.snapshot_id = k.snapshot_id AND c.setting = k.setting
WHERE c.workspace_id = :workspace_id;

-- name: list_sighting :many
-- A link's history, the newest first, a thousand rows at a time and with no more columns than it takes.
SELECT s.id, s.template_id, s.captured_at, s.previous_seen_until, s.packed, s.observed
FROM privacy.snapshot AS s
WHERE s.workspace_id = :workspace_id
    AND s.link_id = :link_id
    AND s.id < :id
ORDER BY s.id DESC
LIMIT :limit;

-- name: list_watched_link :many
-- Links from one on, the newest first, ended ones too.
SELECT l.id, l.seen_until, l.unlinked_at
FROM privacy.platform_link AS l
WHERE l.workspace_id = :workspace_id
    AND l.id <= :id
    AND l.id = :link_id  -- if :link_id
ORDER BY l.id DESC
LIMIT :limit;
