-- Usage: what a workspace has used of what its plan allows a day or a month.
-- Table: core.usage_counter

-- name: list_usage :many
-- All that the plan limits; of what is counted by the day or month, what this one has used.
SELECT l.name, l.amount, l.period, c.used, p.slug AS plan,
    (date_trunc(l.period, now() AT TIME ZONE 'UTC') + ('1 ' || l.period)::interval) AT TIME ZONE 'UTC' AS resets_at
FROM core.workspace AS w
JOIN core.plan AS p ON p.slug = w.plan
JOIN core.plan_limit AS l ON l.plan_id = p.id
LEFT JOIN core.usage_counter AS c ON c.workspace_id = w.id
    AND c.name = l.name
    AND c.period_start = date_trunc(l.period, now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
WHERE w.id = :workspace_id
ORDER BY l.name;

-- name: update_usage :one
-- What was used for nothing is given back, to the day or month that it was taken from.
UPDATE core.usage_counter AS c
SET used = greatest(c.used - :amount::bigint, 0)
WHERE c.workspace_id = :workspace_id
    AND c.name = :name
    AND c.period_start = :period_start
RETURNING c.used, c.period_start;

-- name: use_allowance :one
-- Counted where it still fits, in one statement: of those who come at once each sees what the others have used. Nothing where it
-- does not fit.
WITH allowance AS (
    SELECT
        coalesce(l.amount, 9223372036854775807) AS most,
        date_trunc(coalesce(l.period, 'month'), now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS period_start
    FROM core.workspace AS w
    JOIN core.plan AS p ON p.slug = w.plan
    LEFT JOIN core.plan_limit AS l ON l.plan_id = p.id AND l.name = :name
    WHERE w.id = :workspace_id
)

INSERT INTO core.usage_counter AS c (workspace_id, name, period_start, used)
SELECT :workspace_id, :name, a.period_start, :amount::bigint
FROM allowance AS a
WHERE :amount::bigint <= a.most
ON CONFLICT (workspace_id, name, period_start) DO UPDATE
SET used = c.used + excluded.used
WHERE c.used <= (SELECT a.most FROM allowance AS a) - excluded.used
RETURNING c.used, c.period_start;
