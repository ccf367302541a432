-- Subscriptions: what a workspace pays for or tries.
-- Table: core.subscription. The plan of the workspace follows it by core.follow_subscription().

-- name: edge_subscription :edge
-- For node(id), and for what a mutation answers.
SELECT s.id, s.plan, s.status, s.period_start, s.period_end, s.trial_ends_at, s.grace_until, s.ended_at,
    s.cancel_at_period_end, s.provider_subscription_id
FROM core.subscription AS s
WHERE s.workspace_id = :workspace_id
    AND s.id = ANY(:ids::uuid[]);

-- name: end_trial :one
-- At once: nothing was paid for it.
SELECT e.ended
FROM core.end_trial() AS e (ended);

-- name: get_latest_subscription :one
-- What lasts before what has ended, what is paid for before what is tried, the newest first.
SELECT s.id, s.plan, s.status, s.period_start, s.period_end, s.trial_ends_at, s.grace_until, s.ended_at,
    s.cancel_at_period_end, s.provider_subscription_id
FROM core.subscription AS s
WHERE s.workspace_id = :workspace_id
ORDER BY s.status = 'canceled', s.provider_subscription_id IS NULL, s.id DESC
LIMIT 1;

-- name: get_live_subscription :one
-- What has not ended.
SELECT s.id, s.plan, s.status, s.period_start, s.period_end, s.trial_ends_at, s.grace_until, s.ended_at,
    s.cancel_at_period_end, s.provider_subscription_id
FROM core.subscription AS s
WHERE s.workspace_id = :workspace_id
    AND s.status <> 'canceled'
ORDER BY s.provider_subscription_id IS NULL, s.id DESC
LIMIT 1;

-- name: get_sold_plan :one
-- The plan that a price of the provider is for.
SELECT p.slug
FROM core.plan_price AS c
JOIN core.plan AS p ON p.id = c.plan_id
WHERE c.provider_price_id = :provider_price_id
ORDER BY c.valid_from DESC
LIMIT 1;

-- name: list_manager :many
-- Who is told that a payment failed.
SELECT m.account_id
FROM core.member AS m
WHERE m.workspace_id = :workspace_id
    AND m.role IN ('owner', 'admin')
LIMIT 100;

-- name: start_trial :one
-- Once for each workspace.
SELECT t.subscription_id, t.outcome
FROM core.start_trial(:plan) AS t;

-- name: update_ended_grace :exec
-- The days of grace are over: the plan goes.
UPDATE core.subscription AS s
SET grace_until = NULL
WHERE s.workspace_id = :workspace_id
    AND s.grace_until <= now();

-- name: update_ended_trial :exec
-- It ended when it was meant to.
UPDATE core.subscription AS s
SET status = 'canceled',
    ended_at = s.trial_ends_at,
    observed_at = now()
WHERE s.workspace_id = :workspace_id
    AND s.provider_subscription_id IS NULL
    AND s.status = 'trial'
    AND s.trial_ends_at <= now();

-- name: update_plan_followed :one
-- The largest plan that is paid for, tried or assigned becomes the workspace's.
SELECT f.plan
FROM core.follow_subscription() AS f (plan);

-- name: upsert_subscription :one
-- What the provider says; nothing when that is older than what is known, or when it was canceled.
INSERT INTO core.subscription AS s (
    workspace_id, provider_subscription_id, plan, status, observed_at, period_start, period_end, trial_ends_at, grace_until,
    ended_at, cancel_at_period_end)
VALUES (
    :workspace_id, :provider_subscription_id, :plan, :status, :observed_at, :period_start, :period_end, :trial_ends_at,
    :grace_until, :ended_at, :cancel_at_period_end)
ON CONFLICT (workspace_id, provider_subscription_id) DO UPDATE
SET plan = excluded.plan,
    status = excluded.status,
    observed_at = excluded.observed_at,
    period_start = excluded.period_start,
    period_end = excluded.period_end,
    trial_ends_at = excluded.trial_ends_at,
    grace_until = CASE WHEN s.status = 'past_due' AND excluded.status = 'past_due' THEN s.grace_until ELSE excluded.grace_until END,
    ended_at = excluded.ended_at,
    cancel_at_period_end = excluded.cancel_at_period_end
WHERE s.observed_at <= excluded.observed_at
    AND s.status <> 'canceled'
RETURNING s.id, s.status, old.status IS DISTINCT FROM s.status AS changed;
