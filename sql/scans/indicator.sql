-- Indicators: what engines found, by names of a fixed vocabulary.
-- Table: scans.indicator

-- name: edge_indicator :edge
-- All of a scan, the weightiest first.
SELECT k.position, i.engine, i.kind, i.weight, i.evidence
FROM unnest(:scan_ids::uuid[]) WITH ORDINALITY AS k (scan_id, position)
JOIN scans.indicator AS i ON i.scan_id = k.scan_id
WHERE i.workspace_id = :workspace_id
ORDER BY k.position, i.weight DESC, i.engine, i.kind;

-- name: edge_indicator_of_engine :edge
-- What one engine found, the weightiest first.
SELECT k.position, i.engine, i.kind, i.weight, i.evidence
FROM unnest(:scan_ids::uuid[], :engines::text[]) WITH ORDINALITY AS k (scan_id, engine, position)
JOIN scans.indicator AS i ON i.scan_id = k.scan_id AND i.engine = k.engine
WHERE i.workspace_id = :workspace_id
ORDER BY k.position, i.weight DESC, i.kind;

-- name: insert_indicator :exec
-- Of several scans at once.
INSERT INTO scans.indicator (workspace_id, scan_id, engine, kind, weight, evidence)
SELECT :workspace_id, i.scan_id, i.engine, i.kind, i.weight, i.evidence
FROM unnest(:scan_ids::uuid[], :engines::text[], :kinds::text[], :weights::int2[], :evidence::text[])
    AS i (scan_id, engine, kind, weight, evidence);
