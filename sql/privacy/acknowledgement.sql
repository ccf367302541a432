-- Acknowledgements: changes that the person has seen, and those they say they made.
-- Tables: privacy.acknowledgement, privacy.change

-- name: delete_acknowledgement :exec
-- Of changes that a late scan has shown to be none, or others.
DELETE FROM privacy.acknowledgement AS a
WHERE a.workspace_id = :workspace_id
    AND a.snapshot_id = :snapshot_id
    AND a.setting = ANY (:settings::text[]);

-- name: edge_acknowledgement :edge
-- Of each change, named by snapshot and setting.
SELECT k.position, a.acknowledged_at, a.mine, a.note, a.reopened_at, a.reopen_reason
FROM unnest(:snapshot_ids::uuid[], :settings::text[]) WITH ORDINALITY AS k (snapshot_id, setting, position)
JOIN privacy.acknowledgement AS a ON a.snapshot_id = k.snapshot_id AND a.setting = k.setting
WHERE a.workspace_id = :workspace_id;

-- name: insert_acknowledgement :exec
-- Again it keeps its first moment, unless it was opened meanwhile. What the person once said they did, they did.
INSERT INTO privacy.acknowledgement AS a (workspace_id, snapshot_id, link_id, setting, mine, note)
SELECT s.workspace_id, s.id, s.link_id, k.setting, :mine, :note
FROM unnest(:snapshot_ids::uuid[], :settings::text[]) AS k (snapshot_id, setting)
JOIN privacy.snapshot AS s ON s.id = k.snapshot_id
WHERE s.workspace_id = :workspace_id
ON CONFLICT (workspace_id, snapshot_id, setting) DO UPDATE
SET acknowledged_at = CASE WHEN a.reopened_at IS NULL THEN a.acknowledged_at ELSE excluded.acknowledged_at END,
    mine = a.mine OR excluded.mine,
    note = coalesce(excluded.note, a.note),
    reopened_at = NULL,
    reopen_reason = NULL;

-- name: update_acknowledgement_place :exec
-- A late scan has shown the same change earlier: it is still the one that the person has seen.
UPDATE privacy.acknowledgement AS a
SET snapshot_id = :late_id
WHERE a.workspace_id = :workspace_id
    AND a.snapshot_id = :snapshot_id
    AND a.setting = ANY (:settings::text[]);

-- name: update_change_claimed :exec
-- What a person says they changed, they changed, whatever the rules make of it.
UPDATE privacy.change AS c
SET origin = 'USER',
    confidence = 1
FROM privacy.acknowledgement AS a
WHERE c.workspace_id = :workspace_id
    AND c.snapshot_id = ANY (:snapshot_ids::uuid[])
    AND c.significance IN ('VALUE', 'DEFAULT_FLIP')
    AND (c.origin <> 'USER' OR c.confidence < 1)
    AND a.workspace_id = c.workspace_id
    AND a.snapshot_id = c.snapshot_id
    AND a.setting = c.setting
    AND a.mine;
