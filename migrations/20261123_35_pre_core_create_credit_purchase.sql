-- Why:      who gets the money back gives the credits back; and what has been erased takes no more news of payments.
-- Change:   core.credit_purchase, core.settle_payment(); core.receive_billing_event() finds whose a payment is, and nobody erased.
-- Locks:    SHARE ROW EXCLUSIVE on core.workspace while the foreign key is added.
-- Data:     no rows: purchases before have no payment here, and a curator takes back what was refunded of them.
-- Old code: goes on; it books purchases without their payment.
-- Rollback: drops which payment paid which credits, and what was refunded.
-- depends: 20261123_34_pre_core_tell_of_payments 20261122_57_pre_core_create_erasure

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE core.credit_purchase (
    workspace_id        uuid    NOT NULL CONSTRAINT credit_purchase_workspace_id_fkey REFERENCES core.workspace (id),
    id                  uuid    NOT NULL DEFAULT uuidv7(),
    credits             bigint  CONSTRAINT credit_purchase_credits_range CHECK (credits BETWEEN 1 AND 1000000000000),
    amount              bigint  CONSTRAINT credit_purchase_amount_range CHECK (amount >= 0),
    refunded_amount     bigint  NOT NULL DEFAULT 0 CONSTRAINT credit_purchase_refunded_amount_range CHECK (refunded_amount >= 0),
    disputed_amount     bigint  NOT NULL DEFAULT 0 CONSTRAINT credit_purchase_disputed_amount_range CHECK (disputed_amount >= 0),
    taken               bigint  NOT NULL DEFAULT 0,
    spent               bigint  NOT NULL DEFAULT 0,
    moves               bigint  NOT NULL DEFAULT 0,
    dispute_closed      boolean NOT NULL DEFAULT false,
    unit                text,
    provider_payment_id text    NOT NULL CONSTRAINT credit_purchase_provider_payment_id_length
        CHECK (length(provider_payment_id) BETWEEN 1 AND 200),
    CONSTRAINT credit_purchase_pkey PRIMARY KEY (workspace_id, id),
    CONSTRAINT credit_purchase_provider_payment_id_key UNIQUE (workspace_id, provider_payment_id),
    CONSTRAINT credit_purchase_credits_have_unit CHECK ((credits IS NULL) = (unit IS NULL)),
    -- Never more than was bought.
    CONSTRAINT credit_purchase_taken_range CHECK (taken >= 0 AND spent >= 0 AND taken + spent <= coalesce(credits, 0))
);

-- Serves the look for whose payment it is that the provider tells of.
CREATE INDEX credit_purchase_provider_payment_id_idx ON core.credit_purchase (provider_payment_id);

COMMENT ON TABLE core.credit_purchase IS 'owned. Which payment paid credits, and how much of it was given back. Amounts are in the smallest unit of the currency.';
COMMENT ON COLUMN core.credit_purchase.credits IS 'How many it bought; NULL while only its refund was told.';
COMMENT ON COLUMN core.credit_purchase.amount IS 'What was paid.';
COMMENT ON COLUMN core.credit_purchase.disputed_amount IS 'What the bank holds or has taken back; nothing once the dispute is won.';
COMMENT ON COLUMN core.credit_purchase.taken IS 'Credits taken back.';
COMMENT ON COLUMN core.credit_purchase.spent IS 'Credits that were to be taken back and had been spent: they stay spent.';
COMMENT ON COLUMN core.credit_purchase.moves IS 'Counts transfers, to name each.';
COMMENT ON COLUMN core.credit_purchase.provider_payment_id IS 'What the payment provider calls the payment.';

ALTER TABLE core.credit_purchase ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.credit_purchase FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON core.credit_purchase TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON core.credit_purchase TO fivefold_owner USING (true) WITH CHECK (true);
-- Nobody who logs in writes here: the function below does.
GRANT SELECT ON core.credit_purchase TO fivefold_api, fivefold_worker;
-- What became of a refund is noted with the event that told of it.
GRANT UPDATE (detail) ON core.billing_event TO fivefold_worker;

-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_insert AFTER INSERT ON core.credit_purchase REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION
core.record_audit('workspace_id', 'id', 'id,credits,unit,amount,refunded_amount,disputed_amount,taken,spent');
CREATE TRIGGER audit_update AFTER UPDATE ON core.credit_purchase REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION
core.record_audit('workspace_id', 'id', 'id,credits,unit,amount,refunded_amount,disputed_amount,taken,spent');
CREATE TRIGGER audit_delete AFTER DELETE ON core.credit_purchase REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION
core.record_audit('workspace_id', 'id', 'id,credits,unit,amount,refunded_amount,disputed_amount,taken,spent');
ALTER TABLE core.credit_purchase ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE core.credit_purchase ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE core.credit_purchase ENABLE ALWAYS TRIGGER audit_delete;

-- By a job, in its workspace: what is known of a payment now, any of it NULL where it is not told. Told in any order and however
-- often, it ends the same: credits are bought once, and of them the share of the money that went back is taken back, rounded
-- down, as far as it is there. What was spent stays spent, also when credits come later. A dispute that is won gives them back.
-- taken and spent are what this call did; taken is below zero for what it gave back.
CREATE FUNCTION core.settle_payment(
    payment text, key text, unit text, credits bigint, amount bigint, refunded bigint, disputed bigint, closed boolean,
    OUT bought boolean, OUT taken bigint, OUT spent bigint
)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ''
AS $$
#variable_conflict use_column
DECLARE
    tenant    uuid := core.current_workspace_id();
    p         core.credit_purchase;
    due       bigint;
BEGIN
    bought := false;
    taken := 0;
    spent := 0;
    INSERT INTO core.credit_purchase (workspace_id, provider_payment_id)
    VALUES (tenant, settle_payment.payment)
    ON CONFLICT ON CONSTRAINT credit_purchase_provider_payment_id_key DO NOTHING;
    SELECT c.* INTO p
    FROM core.credit_purchase AS c
    WHERE c.workspace_id = tenant
        AND c.provider_payment_id = settle_payment.payment
    FOR UPDATE;
    -- What was paid and refunded only grows; and what a closed dispute came to is the last word.
    p.amount := greatest(p.amount, settle_payment.amount);
    p.refunded_amount := greatest(p.refunded_amount, settle_payment.refunded);
    IF settle_payment.closed THEN
        p.disputed_amount := settle_payment.disputed;
        p.dispute_closed := true;
    ELSIF NOT p.dispute_closed THEN
        p.disputed_amount := greatest(p.disputed_amount, settle_payment.disputed);
    END IF;
    IF p.credits IS NULL AND settle_payment.credits IS NOT NULL THEN
        p.credits := settle_payment.credits;
        p.unit := settle_payment.unit;
        bought := core.post_transfer(tenant, p.unit, 'PURCHASE', p.credits, 'buy:' || settle_payment.key, NULL, NULL) IS NOT NULL;
    END IF;
    IF p.credits IS NOT NULL AND p.amount > 0 THEN
        due := div(p.credits * least(p.amount, p.refunded_amount::numeric + p.disputed_amount), p.amount)::bigint - p.taken;
        IF due > p.spent THEN
            due := due - p.spent;
            taken := least(due, coalesce(core.lock_wallet(tenant, p.unit), 0));
            spent := due - taken;
        ELSE
            taken := least(due, 0);
            spent := greatest(due, 0) - p.spent;
        END IF;
        p.taken := p.taken + taken;
        p.spent := p.spent + spent;
        IF taken <> 0 THEN
            p.moves := p.moves + 1;
            PERFORM core.post_transfer(
                tenant, p.unit, CASE WHEN taken > 0 THEN 'REVERSE' ELSE 'PURCHASE' END, abs(taken),
                'payment:' || p.id || ':' || p.moves, NULL, NULL
            );
        END IF;
    END IF;
    UPDATE core.credit_purchase AS c
    SET credits = p.credits,
        unit = p.unit,
        amount = p.amount,
        refunded_amount = p.refunded_amount,
        disputed_amount = p.disputed_amount,
        dispute_closed = p.dispute_closed,
        taken = p.taken,
        spent = p.spent,
        moves = p.moves
    WHERE c.workspace_id = tenant
        AND c.id = p.id;
END
$$;

-- As before. A dispute names no customer, so whose it is is said by the payment; and an erased workspace is nobody's.
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
                AND w.erased_at IS NULL
        ),
        (
            SELECT p.workspace_id
            FROM core.credit_purchase AS p
            WHERE p.provider_payment_id = receive_billing_event.detail ->> 'payment_intent'
            ORDER BY p.credits IS NULL, p.id
            LIMIT 1
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

REVOKE ALL ON FUNCTION core.settle_payment(text, text, text, bigint, bigint, bigint, bigint, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION core.settle_payment(text, text, text, bigint, bigint, bigint, bigint, boolean) TO fivefold_worker;

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.credit_purchase', 'workspace_id', 'technical', 'billing', 'include', 'delete', 'workspace', NULL),
('core.credit_purchase', 'id', 'technical', 'billing', 'include', 'delete', 'workspace', NULL),
('core.credit_purchase', 'credits', 'technical', 'billing', 'include', 'delete', 'workspace', NULL),
('core.credit_purchase', 'amount', 'technical', 'billing', 'include', 'delete', 'workspace', NULL),
('core.credit_purchase', 'refunded_amount', 'technical', 'billing', 'include', 'delete', 'workspace', NULL),
('core.credit_purchase', 'disputed_amount', 'technical', 'billing', 'include', 'delete', 'workspace', NULL),
('core.credit_purchase', 'taken', 'technical', 'billing', 'include', 'delete', 'workspace', NULL),
('core.credit_purchase', 'spent', 'technical', 'billing', 'include', 'delete', 'workspace', NULL),
('core.credit_purchase', 'moves', 'technical', 'billing', 'include', 'delete', 'workspace', NULL),
('core.credit_purchase', 'dispute_closed', 'technical', 'billing', 'include', 'delete', 'workspace', NULL),
('core.credit_purchase', 'unit', 'technical', 'billing', 'include', 'delete', 'workspace', NULL),
('core.credit_purchase', 'provider_payment_id', 'identifier', 'billing', 'include', 'delete', 'workspace', NULL);
