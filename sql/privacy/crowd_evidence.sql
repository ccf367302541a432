-- Crowd evidence: that many unrelated people saw a setting flip the same way at the same time.
-- Table: privacy.crowd_evidence

-- name: edge_crowd_evidence :edge
-- The proof of each change that has the crowd as its origin, found by what flipped and when.
SELECT k.position, e.platform_id, e.setting, e.old_value, e.new_value, e.people, e.window_hours, e.first_seen_at, e.last_seen_at,
    e.relabeled
FROM unnest(:snapshot_ids::uuid[], :settings::text[]) WITH ORDINALITY AS k (snapshot_id, setting, position)
JOIN privacy.change AS c ON c.snapshot_id = k.snapshot_id AND c.setting = k.setting
JOIN privacy.snapshot AS s ON s.workspace_id = c.workspace_id AND s.id = c.snapshot_id
JOIN privacy.template AS t ON t.id = s.template_id
CROSS JOIN LATERAL (
    SELECT v.*
    FROM privacy.crowd_evidence AS v
    WHERE v.platform_id = t.platform_id
        AND v.setting = c.setting
        AND v.structure_hash = t.structure_hash
        AND v.old_value = c.old_value
        AND v.new_value = c.new_value
        AND s.captured_at BETWEEN v.first_seen_at AND v.last_seen_at
    ORDER BY v.id
    LIMIT 1
) AS e
WHERE c.workspace_id = :workspace_id
    AND c.origin = 'PLATFORM_CROWD';
