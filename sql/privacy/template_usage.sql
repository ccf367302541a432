-- Usage: how much a template is used, and what sharing it saves.
-- Tables: privacy.template_usage, privacy.template_copy

-- name: count_affected :one
-- No row for fewer than five people, and for whoever is no curator.
SELECT c.people, c.links
FROM privacy.count_affected(:template_id) AS c;

-- name: edge_template_usage :edge
-- A policy hides what is measured of fewer than five people.
SELECT k.position, u.measured_at, u.last_used_at, u.snapshots, u.people AS users, u.average_scan_milliseconds
FROM unnest(:template_ids::uuid[]) WITH ORDINALITY AS k (template_id, position)
JOIN privacy.template_usage AS u ON u.template_id = k.template_id;

-- name: get_storage :one
-- Bytes as they are stored, without indexes: of the template with all that is said of its settings, of one full copy, of the
-- workspace's own snapshots, and of everybody's where enough people share them.
SELECT
    pg_column_size(t)
        + (SELECT sum(pg_column_size(s)) FROM privacy.template_setting AS s WHERE s.template_id = t.id)
        + coalesce((SELECT sum(pg_column_size(a)) FROM privacy.setting_advice AS a WHERE a.template_id = t.id), 0)
        + coalesce((SELECT sum(pg_column_size(l)) FROM privacy.setting_label AS l WHERE l.template_id = t.id), 0) AS template_bytes,
    octet_length(c.content)::bigint AS copy_bytes,
    pg_column_size(c.content)::bigint AS copy_stored_bytes,
    o.snapshots AS own_snapshots,
    o.snapshot_bytes AS own_snapshot_bytes,
    u.snapshots,
    u.people,
    u.snapshot_bytes,
    u.measured_at
FROM privacy.template AS t
LEFT JOIN privacy.template_copy AS c ON c.template_id = t.id
LEFT JOIN privacy.template_usage AS u ON u.template_id = t.id
CROSS JOIN LATERAL (
    SELECT count(*) AS snapshots, coalesce(sum(pg_column_size(h)), 0)::bigint AS snapshot_bytes
    FROM privacy.platform_link AS l
    JOIN privacy.snapshot AS h ON h.workspace_id = l.workspace_id AND h.link_id = l.id
    WHERE l.workspace_id = :workspace_id
        AND l.platform_id = t.platform_id
        AND h.template_id = t.id
) AS o
WHERE t.id = :id;
