-- Invoices: what the payment provider asked for.
-- Table: core.invoice

-- name: page_invoice :page
-- Newest first.
SELECT i.id, i.number, i.amount_due, i.amount_paid, i.currency, i.status, i.hosted_url, i.issued_at
FROM core.invoice AS i
WHERE i.workspace_id = :workspace_id
    AND i.id < :after_id
ORDER BY i.id DESC
LIMIT :limit;

-- name: upsert_invoice :exec
-- What the provider says, unless something newer is known.
INSERT INTO core.invoice AS i (
    workspace_id, provider_invoice_id, observed_at, issued_at, amount_due, amount_paid, currency, status, number, hosted_url)
VALUES (
    :workspace_id, :provider_invoice_id, :observed_at, :issued_at, :amount_due, :amount_paid, :currency, :status, :number,
    :hosted_url)
ON CONFLICT (workspace_id, provider_invoice_id) DO UPDATE
SET observed_at = excluded.observed_at,
    amount_due = excluded.amount_due,
    amount_paid = excluded.amount_paid,
    currency = excluded.currency,
    status = excluded.status,
    number = excluded.number,
    hosted_url = excluded.hosted_url
WHERE i.observed_at <= excluded.observed_at
    AND i.status NOT IN ('paid', 'void');
