-- Why:      whoever is erased pays for nothing any more, so the provider is told before we forget who it was.
-- Change:   core.list_leaving_customer().
-- Locks:    none on existing tables.
-- Data:     no rows.
-- Old code: goes on; it erases and leaves subscriptions to their owners.
-- Rollback: drops the function.
-- depends: 20261123_34_pre_core_tell_of_payments 20261122_57_pre_core_create_erasure

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- Who the workspaces that an erasure takes whole are to the payment provider: of one that is due, and of no other.
CREATE FUNCTION core.list_leaving_customer(erasure_id uuid) RETURNS TABLE (workspace_id uuid, provider_customer_id text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    SELECT c.workspace_id, c.provider_customer_id
    FROM core.erasure AS e
    CROSS JOIN LATERAL core.erasure_scope(e.account_id, e.workspace_id, e.organizations) AS s
    JOIN core.billing_customer AS c ON c.workspace_id = ANY (s.own)
    WHERE e.id = list_leaving_customer.erasure_id
        AND e.canceled_at IS NULL
        AND e.erased_at IS NULL
        AND e.due_at <= now()
    ORDER BY c.workspace_id;
END;

REVOKE ALL ON FUNCTION core.list_leaving_customer(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION core.list_leaving_customer(uuid) TO fivefold_worker;
