-- Verdicts of engines: what each of them says of a scan.
-- Table: scans.engine_verdict

-- name: edge_engine_verdict :edge
-- All of a scan, by name.
SELECT k.position, v.scan_id, v.engine, v.version, v.verdict, v.score, v.confidence, v.weight, v.categories, v.unchecked, v.milliseconds
FROM unnest(:scan_ids::uuid[]) WITH ORDINALITY AS k (scan_id, position)
JOIN scans.engine_verdict AS v ON v.scan_id = k.scan_id
WHERE v.workspace_id = :workspace_id
ORDER BY k.position, v.engine;

-- name: insert_engine_verdict :exec
-- Of several scans at once.
INSERT INTO scans.engine_verdict (workspace_id, scan_id, engine, version, verdict, score, confidence, weight, categories, unchecked,
    milliseconds)
SELECT :workspace_id, v.scan_id, v.engine, v.version, v.verdict, v.score, v.confidence, v.weight, string_to_array(v.categories, ' '),
    v.unchecked, v.milliseconds
FROM unnest(
    :scan_ids::uuid[], :engines::text[], :versions::text[], :verdicts::text[], :scores::int2[], :confidences::float8[],
    :weights::int2[], :categories::text[], :unchecked::text[], :milliseconds::int4[]
) AS v (scan_id, engine, version, verdict, score, confidence, weight, categories, unchecked, milliseconds);
