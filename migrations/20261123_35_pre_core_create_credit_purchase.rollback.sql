SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE OR REPLACE FUNCTION core.receive_billing_event(
    provider_event_id text, type text, occurred_at timestamptz, customer text, workspace_id uuid, known boolean, detail jsonb,
    OUT event_id uuid, OUT tenant uuid
)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ''
AS $$
#variable_conflict use_column
BEGIN
    SELECT coalesce(
        (
            SELECT c.workspace_id
            FROM core.billing_customer AS c
            WHERE c.provider_customer_id = receive_billing_event.customer
        ),
        (
            SELECT w.id
            FROM core.workspace AS w
            WHERE w.id = receive_billing_event.workspace_id
                AND w.kind <> 'system'
        )
    ) INTO tenant;
    INSERT INTO core.billing_event (workspace_id, provider_event_id, type, occurred_at, state, detail)
    VALUES (
        coalesce(tenant, core.system_workspace_id()),
        receive_billing_event.provider_event_id,
        receive_billing_event.type,
        receive_billing_event.occurred_at,
        CASE WHEN tenant IS NOT NULL AND receive_billing_event.known THEN 'RECEIVED' ELSE 'IGNORED' END,
        CASE WHEN tenant IS NULL THEN '{}' ELSE receive_billing_event.detail END
    )
    ON CONFLICT ON CONSTRAINT billing_event_provider_event_id_key DO NOTHING
    RETURNING id INTO event_id;
END
$$;

REVOKE UPDATE (detail) ON core.billing_event FROM fivefold_worker;
DROP FUNCTION core.settle_payment(text, text, text, bigint, bigint, bigint, bigint, boolean);
DROP TABLE core.credit_purchase;

DELETE FROM core.data_inventory
WHERE object = 'core.credit_purchase';
