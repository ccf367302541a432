-- Scores: what the latest snapshots of links say, for figures that are computed from their values.
-- Tables: privacy.platform_link, privacy.snapshot, privacy.template

-- name: edge_scored_link :edge
-- The latest snapshot of each link; none for a link that was never scanned.
SELECT k.position, l.id AS link_id, l.platform_id, s.template_id, s.risk_score, s.packed, s.observed
FROM unnest(:link_ids::uuid[]) WITH ORDINALITY AS k (link_id, position)
JOIN privacy.platform_link AS l ON l.id = k.link_id
JOIN privacy.snapshot AS s ON s.workspace_id = l.workspace_id AND s.id = l.latest_snapshot_id
WHERE l.workspace_id = :workspace_id
    AND l.id = ANY(:link_ids::uuid[]);

-- name: list_scored_link :many
-- Every active link with its latest snapshot. One that was never scanned has the settings of the active template and no values.
SELECT l.id AS link_id, l.platform_id, coalesce(s.template_id, a.id) AS template_id, s.risk_score, s.packed, s.observed
FROM privacy.platform_link AS l
LEFT JOIN privacy.snapshot AS s ON s.workspace_id = l.workspace_id AND s.id = l.latest_snapshot_id
LEFT JOIN privacy.template AS a ON a.platform_id = l.platform_id AND a.state = 'ACTIVE'
WHERE l.workspace_id = :workspace_id
    AND l.status = 'ACTIVE';
