-- Snapshots: what a person's settings were at a moment.
-- Table: privacy.snapshot

-- name: edge_device_of_snapshot :edge
-- The device stands in the snapshot's row and nowhere else; few ask, so no other statement reads it.
SELECT k.position, d.id, d.name, d.public_key, d.created_at, d.last_used_at, d.revoked_at
FROM unnest(:snapshot_ids::uuid[]) WITH ORDINALITY AS k (snapshot_id, position)
JOIN privacy.snapshot AS s ON s.id = k.snapshot_id
JOIN core.device AS d ON d.workspace_id = s.workspace_id AND d.id = s.device_id
WHERE s.workspace_id = :workspace_id
    AND s.id = ANY(:snapshot_ids::uuid[]);

-- name: edge_snapshot :edge
-- The latest of each link; also node(id). Unobserved bits make the completion rate; none means complete, and asks no template.
SELECT s.id, s.link_id, s.template_id, s.captured_at, s.scan_method, s.config_version, s.risk_score,
    s.risk_formula, s.confidence, s.packed, s.observed, s.previous_seen_until,
    CASE WHEN s.observed IS NULL THEN 1
    ELSE bit_count(s.observed)::float8 / (SELECT t.setting_count FROM privacy.template AS t WHERE t.id = s.template_id)
    END AS completion_rate
FROM privacy.snapshot AS s
WHERE s.workspace_id = :workspace_id
    AND s.id = ANY(:ids::uuid[]);

-- name: edge_snapshot_of_link :edge
-- A page of each link's history. The index holds (workspace, link); ids sort by the moment of the capture.
SELECT k.position, s.id, s.link_id, s.template_id, s.captured_at, s.scan_method, s.config_version, s.risk_score,
    s.risk_formula, s.confidence, s.packed, s.observed, s.previous_seen_until,
    CASE WHEN s.observed IS NULL THEN 1
    ELSE bit_count(s.observed)::float8 / (SELECT t.setting_count FROM privacy.template AS t WHERE t.id = s.template_id)
    END AS completion_rate
FROM unnest(:link_ids::uuid[]) WITH ORDINALITY AS k (link_id, position)
CROSS JOIN LATERAL (
    SELECT h.*
    FROM privacy.snapshot AS h
    WHERE h.workspace_id = :workspace_id
        AND h.link_id = k.link_id
        AND h.id < :after_id
    ORDER BY h.id DESC
    LIMIT :limit
) AS s
ORDER BY k.position, s.id DESC;

-- name: get_confirmation :one
-- The confirmations of a stretch on either side of a moment. Only its last one is kept for good; the keys of unchanged scans
-- remember the others for as long as keys are kept.
SELECT
    max(i.moment) FILTER (WHERE i.moment <= :captured_at) AS last_before,
    min(i.moment) FILTER (WHERE i.moment > :captured_at) AS first_behind
FROM core.idempotency AS i
JOIN privacy.snapshot AS s ON s.workspace_id = i.workspace_id AND s.id = i.result_id
WHERE i.workspace_id = :workspace_id
    AND i.field = 'recordSnapshot'
    AND i.moment BETWEEN :since AND :until
    AND s.link_id = :link_id
    AND s.template_id = :template_id
    AND s.packed = :packed
    AND s.observed IS NOT DISTINCT FROM :observed;

-- name: insert_snapshot :one
-- The id is made of the moment of the capture, so that ids sort by it whatever the order of arrival.
INSERT INTO privacy.snapshot (
    workspace_id, id, link_id, template_id, captured_at, scan_method, config_version, risk_score, risk_formula, confidence, packed, observed,
    previous_seen_until, device_id)
VALUES (
    :workspace_id, :id, :link_id, :template_id, :captured_at, :scan_method, :config_version, :risk_score, :risk_formula, :confidence, :packed,
    :observed, :previous_seen_until, :device_id)
RETURNING id, link_id, template_id, captured_at, scan_method, config_version, risk_score, risk_formula, confidence, packed, observed,
    previous_seen_until,
    CASE WHEN observed IS NULL THEN 1
    ELSE bit_count(observed)::float8 / (SELECT t.setting_count FROM privacy.template AS t WHERE t.id = template_id)
    END AS completion_rate;

-- name: list_snapshot_after :many
-- The oldest first: what follows a late capture; their changes are computed again.
SELECT s.id, s.link_id, s.template_id, s.captured_at, s.scan_method, s.config_version, s.risk_score, s.risk_formula,
    s.confidence, s.packed, s.observed, s.previous_seen_until,
    CASE WHEN s.observed IS NULL THEN 1
    ELSE bit_count(s.observed)::float8 / (SELECT t.setting_count FROM privacy.template AS t WHERE t.id = s.template_id)
    END AS completion_rate
FROM privacy.snapshot AS s
WHERE s.workspace_id = :workspace_id
    AND s.link_id = :link_id
    AND s.id > :id
ORDER BY s.id
LIMIT :limit;

-- name: list_snapshot_before :many
-- The newest first. The last capture before another; further ones where it did not see every setting.
SELECT s.id, s.link_id, s.template_id, s.captured_at, s.scan_method, s.config_version, s.risk_score, s.risk_formula,
    s.confidence, s.packed, s.observed, s.previous_seen_until,
    CASE WHEN s.observed IS NULL THEN 1
    ELSE bit_count(s.observed)::float8 / (SELECT t.setting_count FROM privacy.template AS t WHERE t.id = s.template_id)
    END AS completion_rate
FROM privacy.snapshot AS s
WHERE s.workspace_id = :workspace_id
    AND s.link_id = :link_id
    AND s.id < :id
ORDER BY s.id DESC
LIMIT :limit;

-- name: page_snapshot :page
-- One link's history, newest capture first.
SELECT s.id, s.link_id, s.template_id, s.captured_at, s.scan_method, s.config_version, s.risk_score, s.risk_formula,
    s.confidence, s.packed, s.observed, s.previous_seen_until,
    CASE WHEN s.observed IS NULL THEN 1
    ELSE bit_count(s.observed)::float8 / (SELECT t.setting_count FROM privacy.template AS t WHERE t.id = s.template_id)
    END AS completion_rate
FROM privacy.snapshot AS s
WHERE s.workspace_id = :workspace_id
    AND s.link_id = :link_id
    AND s.id < :after_id
ORDER BY s.id DESC
LIMIT :limit;

-- name: update_previous_seen_until :exec
-- The one thing that later scans may teach about a snapshot: until when the one before it held.
UPDATE privacy.snapshot AS s
SET previous_seen_until = :previous_seen_until
WHERE s.workspace_id = :workspace_id
    AND s.id = :id;
