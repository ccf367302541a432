-- Prices: what plans and packs of credits cost.
-- Tables: core.plan_price and core.credit_pack

-- name: edge_plan_price :edge
-- What each plan costs now, by currency and interval.
SELECT k.position, c.currency, c.billing_interval, c.amount, c.valid_from
FROM unnest(:plan_ids::uuid[]) WITH ORDINALITY AS k (plan_id, position)
CROSS JOIN LATERAL (
    SELECT DISTINCT ON (p.currency, p.billing_interval) p.currency, p.billing_interval, p.amount, p.valid_from
    FROM core.plan_price AS p
    WHERE p.plan_id = k.plan_id
        AND p.valid_from <= now()
    ORDER BY p.currency, p.billing_interval, p.valid_from DESC
) AS c
ORDER BY k.position, c.currency, c.billing_interval;

-- name: get_credit_pack :one
-- What it costs now, and what the provider calls it.
SELECT p.id, p.credits, p.unit, p.provider_price_id
FROM core.credit_pack AS p
WHERE p.slug = :slug
    AND p.currency = :currency
    AND p.valid_from <= now()
ORDER BY p.valid_from DESC
LIMIT 1;

-- name: get_plan_price :one
-- What it costs now, and what the provider calls it.
SELECT p.id, p.provider_price_id, l.slug AS plan
FROM core.plan_price AS p
JOIN core.plan AS l ON l.id = p.plan_id
WHERE l.slug = :plan
    AND p.currency = :currency
    AND p.billing_interval = :billing_interval
    AND p.valid_from <= now()
ORDER BY p.valid_from DESC
LIMIT 1;

-- name: insert_credit_pack :one
-- By a curator.
INSERT INTO core.credit_pack (slug, unit, credits, currency, amount, provider_price_id, valid_from)
VALUES (:slug, :unit, :credits, :currency, :amount, :provider_price_id, coalesce(:valid_from::timestamptz, now()))
RETURNING id;

-- name: insert_plan_price :one
-- By a curator; nothing when there is no such plan.
INSERT INTO core.plan_price (plan_id, currency, billing_interval, amount, provider_price_id, valid_from)
SELECT p.id, :currency, :billing_interval, :amount::bigint, :provider_price_id, coalesce(:valid_from::timestamptz, now())
FROM core.plan AS p
WHERE p.slug = :plan
RETURNING id;

-- name: list_credit_pack :many
-- What can be bought now, the least first.
SELECT c.slug, c.unit, c.credits, c.currency, c.amount, c.valid_from
FROM (
    SELECT DISTINCT ON (p.slug, p.currency) p.slug, p.unit, p.credits, p.currency, p.amount, p.valid_from
    FROM core.credit_pack AS p
    WHERE p.valid_from <= now()
    ORDER BY p.slug, p.currency, p.valid_from DESC
) AS c
ORDER BY c.unit, c.credits, c.slug, c.currency
LIMIT 100;
