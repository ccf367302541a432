-- Purchases of credits: which payment paid them, and how much of it was given back.
-- Table: core.credit_purchase. Only core.settle_payment() writes it.

-- name: settle_payment :one
-- What is known of a payment now; the books follow, by what is new in it.
SELECT f.bought, f.taken, f.spent
FROM core.settle_payment(
    :payment, :key, :unit, :credits::bigint, :amount::bigint, :refunded::bigint, :disputed::bigint, :closed::boolean) AS f;
