-- The flow of scans: how workers take them, move them on and end them, many in one statement.
-- Table: scans.scan

-- name: begin_analysis :many
-- What was fetched is being judged. Nothing where somebody else has taken it, or given it up: its version is another then.
WITH moved AS (
    UPDATE scans.scan AS s
    SET state = 'ANALYZING'
    FROM unnest(:ids::uuid[], :versions::integer[]) AS g (id, version)
    WHERE s.workspace_id = :workspace_id
        AND s.id = ANY (:ids::uuid[])
        AND s.id = g.id
        AND s.version = g.version
    RETURNING s.id, s.reservation_id, s.state, s.version
),
told AS (
    INSERT INTO core.outbox (workspace_id, object_id, kind, detail)
    SELECT :workspace_id, m.id, 'scans.scan_state', jsonb_build_object('state', m.state, 'version', m.version)
    FROM moved AS m
)
SELECT m.id, m.reservation_id, m.state, m.version
FROM moved AS m;

-- name: end_scan :many
-- Each in the state that it has come to. Nothing where somebody else has taken it, or given it up: its version is another then.
-- Their ids are named twice, so that no other index is read, whatever is known of the table.
WITH ended AS (
    UPDATE scans.scan AS s
    SET state = g.state,
        failure = g.failure,
        finished_at = now(),
        lease_until = NULL
    FROM unnest(:ids::uuid[], :versions::integer[], :states::text[], :failures::text[]) AS g (id, version, state, failure)
    WHERE s.workspace_id = :workspace_id
        AND s.id = ANY (:ids::uuid[])
        AND s.id = g.id
        AND s.version = g.version
    RETURNING s.id, s.reservation_id, s.state, s.version
),
told AS (
    INSERT INTO core.outbox (workspace_id, object_id, kind, detail)
    SELECT :workspace_id, e.id, k.kind, jsonb_build_object('state', e.state, 'version', e.version)
    FROM ended AS e
    CROSS JOIN (VALUES ('scans.scan_state'), ('scans.scan_finished')) AS k (kind)
)
SELECT e.id, e.reservation_id, e.state, e.version
FROM ended AS e;

-- name: expire_scan :many
-- What waited or ran for too long, or whose workers were lost again and again.
WITH due AS (
    SELECT s.id
    FROM scans.scan AS s
    WHERE s.workspace_id = :workspace_id
        AND s.state IN ('QUEUED', 'FETCHING', 'ANALYZING')
        AND (s.deadline_at <= now() OR (s.lease_until <= now() AND s.attempt >= :most_attempts))
    ORDER BY s.id
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
),
ended AS (
    UPDATE scans.scan AS s
    SET state = CASE WHEN s.state = 'QUEUED' OR s.deadline_at > now() THEN 'FAILED' ELSE 'TIMED_OUT' END,
        failure = CASE
            WHEN s.state = 'QUEUED' THEN 'NOT_STARTED'
            WHEN s.deadline_at > now() THEN 'WORKER_LOST'
            ELSE 'TIMED_OUT'
        END,
        finished_at = now(),
        lease_until = NULL
    FROM due AS d
    WHERE s.workspace_id = :workspace_id
        AND s.id = d.id
    RETURNING s.id, s.reservation_id, s.state, s.version
),
told AS (
    INSERT INTO core.outbox (workspace_id, object_id, kind, detail)
    SELECT :workspace_id, e.id, k.kind, jsonb_build_object('state', e.state, 'version', e.version)
    FROM ended AS e
    CROSS JOIN (VALUES ('scans.scan_state'), ('scans.scan_finished')) AS k (kind)
)
SELECT e.id, e.reservation_id, e.state, e.version
FROM ended AS e;

-- name: take_scan :many
-- What waits, the oldest first, and what a lost worker had, whose lease is over.
WITH due AS (
    SELECT s.id
    FROM scans.scan AS s
    WHERE s.workspace_id = :workspace_id
        AND s.state IN ('QUEUED', 'FETCHING', 'ANALYZING')
        AND (s.state = 'QUEUED' OR s.lease_until <= now())
        AND s.deadline_at > now()
        AND s.attempt < :most_attempts
    ORDER BY s.id
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
),
taken AS (
    UPDATE scans.scan AS s
    SET state = CASE WHEN s.state = 'QUEUED' THEN 'FETCHING' ELSE s.state END,
        job_id = :job_id,
        attempt = s.attempt + 1,
        started_at = coalesce(s.started_at, now()),
        deadline_at = CASE WHEN s.state = 'QUEUED' THEN now() + :patience::interval ELSE s.deadline_at END,
        lease_until = now() + :lease::interval
    FROM due AS d
    WHERE s.workspace_id = :workspace_id
        AND s.id = d.id
    RETURNING s.id, s.state, s.version, s.attempt, s.url_sealed
),
told AS (
    INSERT INTO core.outbox (workspace_id, object_id, kind, detail)
    SELECT :workspace_id, t.id, 'scans.scan_state', jsonb_build_object('state', t.state, 'version', t.version)
    FROM taken AS t
    WHERE t.attempt = 1
)
SELECT t.id, t.state, t.version, t.url_sealed
FROM taken AS t;

-- name: update_lease :exec
-- The queue gives a job to one worker at a time: what a worker had who ran it before is nobody's now.
UPDATE scans.scan AS s
SET lease_until = now()
WHERE s.workspace_id = :workspace_id
    AND s.job_id = :job_id
    AND s.state IN ('FETCHING', 'ANALYZING')
    AND s.lease_until > now();
