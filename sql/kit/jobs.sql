-- Jobs: the queue is PgQueuer's, which takes and ends jobs with its own statements; these are ours.
-- Schema: jobs

-- name: count_job :one
-- What runs, and what is due, of these kinds.
SELECT count(*) AS jobs
FROM jobs.pgqueuer AS q
WHERE q.entrypoint = ANY (:names::text[])
    AND (q.status = 'picked' OR (q.status = 'queued' AND q.execute_after <= now()));

-- name: delete_effect :exec
-- A job that was done a month ago is not picked again.
DELETE FROM jobs.effect AS e
WHERE e.done_at < now() - interval '30 days';

-- name: delete_job_log :exec
-- What became of jobs is of interest for a week, and of no use longer than it takes to look into a failure.
DELETE FROM jobs.pgqueuer_log AS l
WHERE l.created < now() - interval '7 days';

-- name: delete_job_statistics :exec
-- One row a second for each kind of job adds up.
DELETE FROM jobs.pgqueuer_statistics AS s
WHERE s.created < now() - interval '90 days';

-- name: enqueue_jobs :exec
-- In the caller's transaction: jobs and the rows that ask for them commit together.
SELECT jobs.enqueue(:entrypoint, :payloads::bytea[], :dedupe_keys::text[], :delay::interval, :priority);

-- name: get_queue :one
-- What waits and since when, what runs, what was given up; and since when the oldest transaction keeps dead rows from being
-- removed, which is what slows a queue.
SELECT
    (SELECT count(*) FROM jobs.pgqueuer AS q WHERE q.status = 'queued' AND q.execute_after <= now()) AS due,
    (SELECT count(*) FROM jobs.pgqueuer AS q WHERE q.status = 'picked') AS running,
    (SELECT count(*) FROM jobs.pgqueuer AS q WHERE q.status = 'failed') AS held,
    coalesce((
        SELECT extract(epoch FROM now() - min(q.execute_after))
        FROM jobs.pgqueuer AS q
        WHERE q.status = 'queued' AND q.execute_after <= now()
    ), 0)::float8 AS oldest_seconds,
    coalesce((
        SELECT extract(epoch FROM now() - min(a.xact_start))
        FROM pg_stat_activity AS a
        WHERE a.backend_xmin IS NOT NULL
    ), 0)::float8 AS horizon_seconds;

-- name: insert_effect :one
-- Nothing when the job's work has committed before. A second run of the same job waits here until the first has ended.
INSERT INTO jobs.effect (job_id)
VALUES (:job_id)
ON CONFLICT (job_id) DO NOTHING
RETURNING job_id;

-- name: lock_job_key :exec
-- Until the transaction ends: many may ask for the same job at once, and the job that takes over waits for all of them.
SELECT
    CASE
        WHEN :shared THEN pg_advisory_xact_lock_shared(hashtextextended(:dedupe_key, 0))
        ELSE pg_advisory_xact_lock(hashtextextended(:dedupe_key, 0))
    END;

-- name: update_job_key :exec
-- The job that runs gives its key away: whoever asks from now on adds another.
UPDATE jobs.pgqueuer AS q
SET dedupe_key = NULL
WHERE q.id = :job_id;
