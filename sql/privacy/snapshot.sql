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

-- name: insert_snapshot :exec
-- A scan is kept by one statement, for each of them costs a round trip: the snapshot with its changes; what was acknowledged of
-- those settings before is open again; who listens is told; and its link, where the snapshot was captured last, says so
-- (:latest_until: up to when it is known to hold), is awaited no longer, and has left behind what failed before.
WITH changed AS (
    INSERT INTO privacy.change (workspace_id, snapshot_id, setting, old_value, new_value, origin, significance, confidence)
    SELECT :workspace_id, :id, c.setting, c.old_value, c.new_value, c.origin, c.significance, c.confidence
    FROM unnest(:settings::text[], :old_values::text[], :new_values::text[], :origins::text[], :significances::text[], :confidences::float8[])
        AS c (setting, old_value, new_value, origin, significance, confidence)
), reopened AS (
    UPDATE privacy.acknowledgement AS a
    SET reopened_at = now(),
        reopen_reason = 'CHANGED_AGAIN'
    WHERE a.workspace_id = :workspace_id
        AND a.link_id = :link_id
        AND a.setting = ANY (:reopened::text[])
        AND a.snapshot_id < :id
        AND a.reopened_at IS NULL
), told AS (
    INSERT INTO core.outbox (workspace_id, object_id, kind, detail)
    SELECT :workspace_id, :id, :kind, '{}'
    WHERE :settings::text[] <> '{}'
), linked AS (
    UPDATE privacy.platform_link AS l
    SET latest_snapshot_id = :id,
        seen_until = :latest_until,
        scan_milliseconds = :scan_milliseconds,
        awaited_until = NULL,
        consecutive_failures = CASE WHEN l.last_failure_at > :latest_until THEN l.consecutive_failures ELSE 0 END,
        stopped_at = CASE WHEN l.last_failure_at > :latest_until THEN l.stopped_at END
    WHERE l.workspace_id = :workspace_id
        AND l.id = :link_id
        AND :latest_until::timestamptz IS NOT NULL
)
INSERT INTO privacy.snapshot (
    workspace_id, id, link_id, template_id, captured_at, scan_method, config_version, risk_score, risk_formula, confidence, packed, observed,
    previous_seen_until, device_id)
VALUES (
    :workspace_id, :id, :link_id, :template_id, :captured_at, :scan_method, :config_version, :risk_score, :risk_formula, :confidence, :packed,
    :observed, :previous_seen_until, :device_id);

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
