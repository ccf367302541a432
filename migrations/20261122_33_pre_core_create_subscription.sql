-- Why:      who pays keeps a plan, who stops paying loses it; and what the payment provider tells is taken once, in any order.
-- Change:   core.billing_customer, core.billing_event, core.subscription, core.invoice, and the functions beside them.
-- Locks:    SHARE ROW EXCLUSIVE on core.workspace and core.plan while the foreign keys are added.
-- Data:     no rows; what the columns hold is told to core.data_inventory.
-- Old code: goes on; it does not look at subscriptions.
-- Rollback: drops who has subscribed to what, and what the provider told.
-- depends: 20261122_30_pre_core_create_ledger 20261122_32_pre_core_create_plan_price

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE core.billing_customer (
    workspace_id         uuid        NOT NULL CONSTRAINT billing_customer_workspace_id_fkey REFERENCES core.workspace (id),
    created_at           timestamptz NOT NULL DEFAULT now(),
    provider_customer_id text        NOT NULL CONSTRAINT billing_customer_provider_customer_id_key UNIQUE
        CONSTRAINT billing_customer_provider_customer_id_length CHECK (length(provider_customer_id) BETWEEN 1 AND 200),
    CONSTRAINT billing_customer_pkey PRIMARY KEY (workspace_id)
);

COMMENT ON TABLE core.billing_customer IS 'owned. Who the workspace is to the payment provider.';

CREATE TABLE core.billing_event (
    workspace_id      uuid        NOT NULL CONSTRAINT billing_event_workspace_id_fkey REFERENCES core.workspace (id),
    id                uuid        NOT NULL DEFAULT uuidv7(),
    occurred_at       timestamptz NOT NULL,
    provider_event_id text        NOT NULL CONSTRAINT billing_event_provider_event_id_key UNIQUE
        CONSTRAINT billing_event_provider_event_id_length CHECK (length(provider_event_id) BETWEEN 1 AND 200),
    type              text        NOT NULL CONSTRAINT billing_event_type_length CHECK (length(type) BETWEEN 1 AND 200),
    state             text        NOT NULL CONSTRAINT billing_event_state_known CHECK (state IN ('RECEIVED', 'APPLIED', 'IGNORED')),
    detail            jsonb       NOT NULL CONSTRAINT billing_event_detail_form CHECK (jsonb_typeof(detail) = 'object'),
    CONSTRAINT billing_event_pkey PRIMARY KEY (workspace_id, id)
);

COMMENT ON TABLE core.billing_event IS 'owned. What the payment provider told, once each; of nobody here in the system workspace.';
COMMENT ON COLUMN core.billing_event.detail IS 'What is needed of it: ids, amounts, dates. No name, no address, no card.';

CREATE TABLE core.subscription (
    workspace_id             uuid        NOT NULL CONSTRAINT subscription_workspace_id_fkey REFERENCES core.workspace (id),
    id                       uuid        NOT NULL DEFAULT uuidv7(),
    observed_at              timestamptz NOT NULL,
    period_start             timestamptz,
    period_end               timestamptz,
    trial_ends_at            timestamptz,
    grace_until              timestamptz,
    ended_at                 timestamptz,
    cancel_at_period_end     boolean     NOT NULL DEFAULT false,
    plan                     text        NOT NULL CONSTRAINT subscription_plan_fkey REFERENCES core.plan (slug),
    status                   text        NOT NULL CONSTRAINT subscription_status_known
        CHECK (status IN ('trial', 'active', 'past_due', 'canceled', 'unpaid')),
    previous_status          text,
    provider_subscription_id text        CONSTRAINT subscription_provider_subscription_id_length
        CHECK (length(provider_subscription_id) BETWEEN 1 AND 200),
    CONSTRAINT subscription_pkey PRIMARY KEY (workspace_id, id),
    CONSTRAINT subscription_provider_subscription_id_key UNIQUE (workspace_id, provider_subscription_id),
    -- What follows what: the provider may miss to tell a step, so all may follow each other, but what was canceled stays so; and
    -- a trial that no provider knows can only end.
    CONSTRAINT subscription_transition_allowed CHECK (previous_status IS DISTINCT FROM 'canceled' OR status = 'canceled'),
    CONSTRAINT subscription_trial_only_ends CHECK (provider_subscription_id IS NOT NULL OR status IN ('trial', 'canceled')),
    CONSTRAINT subscription_trial_has_end CHECK (provider_subscription_id IS NOT NULL OR trial_ends_at IS NOT NULL),
    CONSTRAINT subscription_canceled_has_time CHECK ((status = 'canceled') = (ended_at IS NOT NULL)),
    CONSTRAINT subscription_grace_is_for_past_due CHECK (grace_until IS NULL OR status = 'past_due')
);

-- A workspace tries once.
CREATE UNIQUE INDEX subscription_one_trial_idx ON core.subscription (workspace_id) WHERE provider_subscription_id IS NULL;
-- Serve the foreign key, and the look for what ends.
CREATE INDEX subscription_plan_idx ON core.subscription (plan);
CREATE INDEX subscription_trial_ends_at_idx ON core.subscription (trial_ends_at)
WHERE status = 'trial' AND provider_subscription_id IS NULL;
CREATE INDEX subscription_grace_until_idx ON core.subscription (grace_until) WHERE grace_until IS NOT NULL;

COMMENT ON TABLE core.subscription IS 'owned. What a workspace pays for or tries. The plan of the workspace follows it.';
COMMENT ON COLUMN core.subscription.observed_at IS 'As of when the provider said so: what is older than that does not win.';
COMMENT ON COLUMN core.subscription.grace_until IS 'A payment failed; until then the plan stays. NULL once that is over.';
COMMENT ON COLUMN core.subscription.previous_status IS 'The status before the last change, written by the trigger, so that a constraint can tell what may follow what.';
COMMENT ON COLUMN core.subscription.provider_subscription_id IS 'What the payment provider calls it; NULL for a trial that it knows nothing of.';

CREATE TABLE core.invoice (
    workspace_id        uuid        NOT NULL CONSTRAINT invoice_workspace_id_fkey REFERENCES core.workspace (id),
    id                  uuid        NOT NULL DEFAULT uuidv7(),
    observed_at         timestamptz NOT NULL,
    issued_at           timestamptz NOT NULL,
    amount_due          bigint      NOT NULL,
    amount_paid         bigint      NOT NULL,
    currency            text        NOT NULL CONSTRAINT invoice_currency_form CHECK (currency ~ '^[A-Z]{3}$'),
    status              text        NOT NULL CONSTRAINT invoice_status_known
        CHECK (status IN ('draft', 'open', 'paid', 'uncollectible', 'void')),
    number              text        CONSTRAINT invoice_number_length CHECK (length(number) BETWEEN 1 AND 100),
    provider_invoice_id text        NOT NULL CONSTRAINT invoice_provider_invoice_id_length
        CHECK (length(provider_invoice_id) BETWEEN 1 AND 200),
    hosted_url          text        CONSTRAINT invoice_hosted_url_form CHECK (hosted_url ~ '^https://' AND length(hosted_url) <= 2000),
    CONSTRAINT invoice_pkey PRIMARY KEY (workspace_id, id),
    CONSTRAINT invoice_provider_invoice_id_key UNIQUE (workspace_id, provider_invoice_id)
);

COMMENT ON TABLE core.invoice IS 'owned. What the payment provider asked for. Amounts are in the smallest unit of the currency.';
COMMENT ON COLUMN core.invoice.hosted_url IS 'Where the provider shows it.';

ALTER TABLE core.billing_customer ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.billing_customer FORCE ROW LEVEL SECURITY;
ALTER TABLE core.billing_event ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.billing_event FORCE ROW LEVEL SECURITY;
ALTER TABLE core.subscription ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.subscription FORCE ROW LEVEL SECURITY;
ALTER TABLE core.invoice ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.invoice FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON core.billing_customer TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
CREATE POLICY tenant ON core.billing_event TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
CREATE POLICY tenant ON core.subscription TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
CREATE POLICY tenant ON core.invoice TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
-- As the system the worker finds the workspaces in which something ends, and nothing else; and it drops old events.
CREATE POLICY worker_due ON core.subscription FOR SELECT TO fivefold_worker
USING (
    (SELECT core.current_workspace_id()) = (SELECT core.system_workspace_id())
    AND (trial_ends_at <= now() AND status = 'trial' AND provider_subscription_id IS NULL OR grace_until <= now())
);
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON core.billing_customer TO fivefold_owner USING (true) WITH CHECK (true);
-- allow always-true-policy: as above.
CREATE POLICY owner ON core.billing_event TO fivefold_owner USING (true) WITH CHECK (true);
-- allow always-true-policy: as above.
CREATE POLICY owner ON core.subscription TO fivefold_owner USING (true) WITH CHECK (true);
-- allow always-true-policy: as above.
CREATE POLICY owner ON core.invoice TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT, INSERT ON core.billing_customer TO fivefold_api;
GRANT SELECT ON core.billing_customer, core.billing_event TO fivefold_worker;
GRANT UPDATE (state) ON core.billing_event TO fivefold_worker;
GRANT SELECT ON core.subscription, core.invoice TO fivefold_api;
GRANT SELECT, INSERT ON core.subscription, core.invoice TO fivefold_worker;
GRANT UPDATE (
    observed_at, period_start, period_end, trial_ends_at, grace_until, ended_at, cancel_at_period_end, plan, status
) ON core.subscription TO fivefold_worker;
GRANT UPDATE (observed_at, amount_due, amount_paid, currency, status, number, hosted_url) ON core.invoice TO fivefold_worker;

CREATE FUNCTION core.step_subscription() RETURNS trigger
LANGUAGE plpgsql
SET search_path = ''
AS $$
BEGIN
    NEW.previous_status := CASE
        WHEN TG_OP = 'INSERT' THEN NULL
        WHEN NEW.status = OLD.status THEN OLD.previous_status
        ELSE OLD.status
    END;
    RETURN NEW;
END
$$;

CREATE TRIGGER step BEFORE INSERT OR UPDATE ON core.subscription
FOR EACH ROW EXECUTE FUNCTION core.step_subscription();
ALTER TABLE core.subscription ENABLE ALWAYS TRIGGER step;

-- The plan of the caller's workspace is the largest that it pays for or tries; without one, the free one. Who comes at the same
-- moment waits, and sees what the other did.
CREATE FUNCTION core.follow_subscription() RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ''
AS $$
DECLARE
    tenant uuid := core.current_workspace_id();
    wanted text;
BEGIN
    PERFORM 1
    FROM core.workspace AS w
    WHERE w.id = tenant
    FOR NO KEY UPDATE;
    SELECT p.slug INTO wanted
    FROM core.subscription AS s
    JOIN core.plan AS p ON p.slug = s.plan
    WHERE s.workspace_id = tenant
        AND (
            s.status = 'active'
            OR s.status = 'trial' AND (s.provider_subscription_id IS NOT NULL OR s.trial_ends_at > now())
            OR s.status = 'past_due' AND s.grace_until > now()
        )
    ORDER BY p.position DESC
    LIMIT 1;
    UPDATE core.workspace AS w
    SET plan = coalesce(wanted, 'free')
    WHERE w.id = tenant
        AND w.plan <> coalesce(wanted, 'free');
    RETURN coalesce(wanted, 'free');
END
$$;

-- Try a plan in the caller's workspace, as long as the plan says. Outcomes: DONE, UNKNOWN (no such plan, or not to be tried),
-- SUBSCRIBED (something is paid for, or the plan at hand is no smaller). A second trial violates subscription_one_trial_idx.
CREATE FUNCTION core.start_trial(plan text, OUT subscription_id uuid, OUT outcome text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ''
AS $$
#variable_conflict use_column
DECLARE
    tenant uuid := core.current_workspace_id();
    tried  core.plan;
    had    core.plan;
BEGIN
    SELECT p.* INTO had
    FROM core.workspace AS w
    JOIN core.plan AS p ON p.slug = w.plan
    WHERE w.id = tenant
    FOR NO KEY UPDATE OF w;
    SELECT p.* INTO tried
    FROM core.plan AS p
    WHERE p.slug = start_trial.plan
        AND p.trial_days > 0;
    IF NOT FOUND THEN
        outcome := 'UNKNOWN';
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM core.subscription AS s WHERE s.workspace_id = tenant AND s.provider_subscription_id IS NULL) THEN
        outcome := 'USED';
        RETURN;
    END IF;
    IF had.position >= tried.position
        OR EXISTS (SELECT FROM core.subscription AS s WHERE s.workspace_id = tenant AND s.status <> 'canceled')
    THEN
        outcome := 'SUBSCRIBED';
        RETURN;
    END IF;
    INSERT INTO core.subscription (workspace_id, plan, status, observed_at, period_start, period_end, trial_ends_at)
    VALUES (
        tenant, tried.slug, 'trial', now(), now(),
        now() + make_interval(days => tried.trial_days), now() + make_interval(days => tried.trial_days)
    )
    RETURNING id INTO subscription_id;
    PERFORM core.follow_subscription();
    outcome := 'DONE';
END
$$;

-- End the trial of the caller's workspace now; whether there was one.
CREATE FUNCTION core.end_trial() RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ''
AS $$
DECLARE
    tenant uuid := core.current_workspace_id();
BEGIN
    UPDATE core.subscription AS s
    SET status = 'canceled',
        ended_at = now(),
        observed_at = now()
    WHERE s.workspace_id = tenant
        AND s.provider_subscription_id IS NULL
        AND s.status = 'trial';
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM core.follow_subscription();
    RETURN true;
END
$$;

-- Write down what the provider told, once: by nobody, who has proved by a signature that it was the provider. Whose it is is said
-- by the customer, or by the workspace that the provider was given with the order; else it is nobody's here. NULL the second time.
CREATE FUNCTION core.receive_billing_event(
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

REVOKE ALL ON FUNCTION
core.step_subscription(),
core.follow_subscription(),
core.start_trial(text),
core.end_trial(),
core.receive_billing_event(text, text, timestamptz, text, uuid, boolean, jsonb)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION core.follow_subscription() TO fivefold_worker;
GRANT EXECUTE ON FUNCTION
core.start_trial(text),
core.end_trial(),
core.receive_billing_event(text, text, timestamptz, text, uuid, boolean, jsonb)
TO fivefold_api;

-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_insert AFTER INSERT ON core.billing_customer REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'workspace_id', 'workspace_id,provider_customer_id');
CREATE TRIGGER audit_update AFTER UPDATE ON core.billing_customer REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'workspace_id', 'workspace_id,provider_customer_id');
CREATE TRIGGER audit_delete AFTER DELETE ON core.billing_customer REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'workspace_id', 'workspace_id,provider_customer_id');
ALTER TABLE core.billing_customer ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE core.billing_customer ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE core.billing_customer ENABLE ALWAYS TRIGGER audit_delete;
CREATE TRIGGER audit_insert AFTER INSERT ON core.billing_event REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,provider_event_id,type,occurred_at,state');
CREATE TRIGGER audit_update AFTER UPDATE ON core.billing_event REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,provider_event_id,type,occurred_at,state');
CREATE TRIGGER audit_delete AFTER DELETE ON core.billing_event REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,provider_event_id,type,occurred_at,state');
ALTER TABLE core.billing_event ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE core.billing_event ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE core.billing_event ENABLE ALWAYS TRIGGER audit_delete;
CREATE TRIGGER audit_insert AFTER INSERT ON core.subscription REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,plan,status,cancel_at_period_end,trial_ends_at,ended_at');
CREATE TRIGGER audit_update AFTER UPDATE ON core.subscription REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,plan,status,cancel_at_period_end,trial_ends_at,ended_at');
CREATE TRIGGER audit_delete AFTER DELETE ON core.subscription REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,plan,status,cancel_at_period_end,trial_ends_at,ended_at');
ALTER TABLE core.subscription ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE core.subscription ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE core.subscription ENABLE ALWAYS TRIGGER audit_delete;
CREATE TRIGGER audit_insert AFTER INSERT ON core.invoice REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,number,amount_due,amount_paid,currency,status');
CREATE TRIGGER audit_update AFTER UPDATE ON core.invoice REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,number,amount_due,amount_paid,currency,status');
CREATE TRIGGER audit_delete AFTER DELETE ON core.invoice REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,number,amount_due,amount_paid,currency,status');
ALTER TABLE core.invoice ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE core.invoice ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE core.invoice ENABLE ALWAYS TRIGGER audit_delete;

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.billing_customer', 'workspace_id', 'technical', 'billing', 'include', 'delete', 'workspace', NULL),
('core.billing_customer', 'created_at', 'technical', 'billing', 'include', 'delete', 'workspace', NULL),
('core.billing_customer', 'provider_customer_id', 'identifier', 'billing', 'include', 'delete', 'workspace', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.billing_event', 'workspace_id', 'technical', 'billing', 'include', 'delete', 'workspace', NULL),
('core.billing_event', 'id', 'technical', 'billing', 'include', 'delete', 'workspace', NULL),
('core.billing_event', 'occurred_at', 'technical', 'billing', 'include', 'delete', 'workspace', NULL),
('core.billing_event', 'provider_event_id', 'technical', 'billing', 'include', 'delete', 'workspace', NULL),
('core.billing_event', 'type', 'technical', 'billing', 'include', 'delete', 'workspace', NULL),
('core.billing_event', 'state', 'technical', 'billing', 'include', 'delete', 'workspace', NULL),
('core.billing_event', 'detail', 'personal', 'billing', 'include', 'delete', 'workspace', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.subscription', 'workspace_id', 'technical', 'billing', 'include', 'delete', 'workspace', NULL),
('core.subscription', 'id', 'technical', 'billing', 'include', 'delete', 'workspace', NULL),
('core.subscription', 'observed_at', 'technical', 'billing', 'include', 'delete', 'workspace', NULL),
('core.subscription', 'period_start', 'technical', 'billing', 'include', 'delete', 'workspace', NULL),
('core.subscription', 'period_end', 'technical', 'billing', 'include', 'delete', 'workspace', NULL),
('core.subscription', 'trial_ends_at', 'technical', 'billing', 'include', 'delete', 'workspace', NULL),
('core.subscription', 'grace_until', 'technical', 'billing', 'include', 'delete', 'workspace', NULL),
('core.subscription', 'ended_at', 'technical', 'billing', 'include', 'delete', 'workspace', NULL),
('core.subscription', 'cancel_at_period_end', 'technical', 'billing', 'include', 'delete', 'workspace', NULL),
('core.subscription', 'plan', 'technical', 'billing', 'include', 'delete', 'workspace', NULL),
('core.subscription', 'status', 'technical', 'billing', 'include', 'delete', 'workspace', NULL),
('core.subscription', 'previous_status', 'technical', 'billing', 'include', 'delete', 'workspace', NULL),
('core.subscription', 'provider_subscription_id', 'identifier', 'billing', 'include', 'delete', 'workspace', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.invoice', 'workspace_id', 'technical', 'billing', 'include', 'keep', 'workspace', 'Invoices are kept as long as tax law asks for; the workspace is a pseudonym with nobody behind it after an erasure.'),
('core.invoice', 'id', 'technical', 'billing', 'include', 'keep', 'workspace', 'Invoices are kept as long as tax law asks for; the workspace is a pseudonym with nobody behind it after an erasure.'),
('core.invoice', 'observed_at', 'technical', 'billing', 'include', 'keep', 'workspace', 'Invoices are kept as long as tax law asks for; the workspace is a pseudonym with nobody behind it after an erasure.'),
('core.invoice', 'issued_at', 'technical', 'billing', 'include', 'keep', 'workspace', 'Invoices are kept as long as tax law asks for; the workspace is a pseudonym with nobody behind it after an erasure.'),
('core.invoice', 'amount_due', 'technical', 'billing', 'include', 'keep', 'workspace', 'Invoices are kept as long as tax law asks for; the workspace is a pseudonym with nobody behind it after an erasure.'),
('core.invoice', 'amount_paid', 'technical', 'billing', 'include', 'keep', 'workspace', 'Invoices are kept as long as tax law asks for; the workspace is a pseudonym with nobody behind it after an erasure.'),
('core.invoice', 'currency', 'technical', 'billing', 'include', 'keep', 'workspace', 'Invoices are kept as long as tax law asks for; the workspace is a pseudonym with nobody behind it after an erasure.'),
('core.invoice', 'status', 'technical', 'billing', 'include', 'keep', 'workspace', 'Invoices are kept as long as tax law asks for; the workspace is a pseudonym with nobody behind it after an erasure.'),
('core.invoice', 'number', 'technical', 'billing', 'include', 'keep', 'workspace', 'Invoices are kept as long as tax law asks for; the workspace is a pseudonym with nobody behind it after an erasure.'),
('core.invoice', 'provider_invoice_id', 'technical', 'billing', 'include', 'keep', 'workspace', 'Invoices are kept as long as tax law asks for; the workspace is a pseudonym with nobody behind it after an erasure.'),
('core.invoice', 'hosted_url', 'personal', 'billing', 'include', 'anonymize', 'workspace', NULL);
