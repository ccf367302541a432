-- Changes: one setting that differs from the snapshot before.
-- Table: privacy.change

-- name: delete_change :exec
-- Before the changes of a snapshot are computed again, because another was captured before it.
DELETE FROM privacy.change AS c
WHERE c.workspace_id = :workspace_id
    AND c.snapshot_id = :snapshot_id;

-- name: edge_change :edge
-- For node(id): a change has no uuid of its own.
SELECT k.position, c.snapshot_id AS id, c.setting, c.old_value, c.new_value, c.origin, c.significance, c.confidence,
    s.captured_at AS detected_at
FROM unnest(:snapshot_ids::uuid[], :settings::text[]) WITH ORDINALITY AS k (snapshot_id, setting, position)
JOIN privacy.change AS c ON c.snapshot_id = k.snapshot_id AND c.setting = k.setting
JOIN privacy.snapshot AS s ON s.workspace_id = c.workspace_id AND s.id = c.snapshot_id
WHERE c.workspace_id = :workspace_id;

-- name: edge_change_of_snapshot :edge
-- The changes that each snapshot brought; as many as it has settings at most. Whose snapshot is not seen has none.
SELECT c.snapshot_id AS id, c.setting, c.old_value, c.new_value, c.origin, c.significance, c.confidence,
    s.captured_at AS detected_at
FROM privacy.snapshot AS s
JOIN privacy.change AS c ON c.workspace_id = s.workspace_id AND c.snapshot_id = s.id
WHERE s.workspace_id = :workspace_id
    AND s.id = ANY(:snapshot_ids::uuid[])
ORDER BY c.snapshot_id, c.setting;

-- name: edge_label_of_change :edge
-- The words on the page: of the newest template of its platform that has the setting, so a removed one keeps its name.
SELECT k.position, d.id AS template_id, d.key AS setting, d.label AS page_label
FROM unnest(:snapshot_ids::uuid[], :settings::text[]) WITH ORDINALITY AS k (snapshot_id, setting, position)
CROSS JOIN LATERAL (
    SELECT l.platform_id
    FROM privacy.snapshot AS s
    JOIN privacy.platform_link AS l ON l.workspace_id = s.workspace_id AND l.id = s.link_id
    WHERE s.workspace_id = :workspace_id
        AND s.id = k.snapshot_id
    LIMIT 1
) AS p
CROSS JOIN LATERAL (
    SELECT t.id, n.key, n.label
    FROM privacy.template AS t
    JOIN privacy.template_setting AS n ON n.template_id = t.id AND n.key = k.setting
    WHERE t.platform_id = p.platform_id
    ORDER BY t.version DESC NULLS LAST
    LIMIT 1
) AS d;

-- name: edge_link_of_snapshot :edge
-- For those who listen to one link only.
SELECT k.position, s.link_id
FROM unnest(:snapshot_ids::uuid[]) WITH ORDINALITY AS k (snapshot_id, position)
JOIN privacy.snapshot AS s ON s.id = k.snapshot_id
WHERE s.workspace_id = :workspace_id
    AND s.id = ANY(:snapshot_ids::uuid[]);

-- name: insert_change :exec
-- All changes of one snapshot at once.
INSERT INTO privacy.change (workspace_id, snapshot_id, setting, old_value, new_value, origin, significance, confidence)
SELECT :workspace_id, :snapshot_id, c.setting, c.old_value, c.new_value, c.origin, c.significance, c.confidence
FROM unnest(:settings::text[], :old_values::text[], :new_values::text[], :origins::text[], :significances::text[], :confidences::float8[])
    AS c (setting, old_value, new_value, origin, significance, confidence);

-- name: page_change :page
-- Newest capture first, across the workspace or of one link.
SELECT c.snapshot_id AS id, c.setting, c.old_value, c.new_value, c.origin, c.significance, c.confidence,
    s.captured_at AS detected_at
FROM privacy.change AS c
JOIN privacy.snapshot AS s ON s.workspace_id = c.workspace_id AND s.id = c.snapshot_id
LEFT JOIN privacy.acknowledgement AS a ON a.workspace_id = c.workspace_id AND a.snapshot_id = c.snapshot_id AND a.setting = c.setting  -- if :acknowledged
WHERE c.workspace_id = :workspace_id
    AND (c.snapshot_id, c.setting) < (:after_id::uuid, :after_setting)
    AND s.link_id = :link_id  -- if :link_id
    AND c.origin = :origin  -- if :origin
    AND c.significance = :significance  -- if :significance
    AND (a.acknowledged_at IS NOT NULL AND a.reopened_at IS NULL) = :acknowledged  -- if :acknowledged
ORDER BY c.snapshot_id DESC, c.setting DESC
LIMIT :limit;
