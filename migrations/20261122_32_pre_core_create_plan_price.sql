-- Why:      what a plan and a pack of credits cost is data that curators change, and what was once asked for stays written.
-- Change:   core.plan_price, core.credit_pack, and core.plan.trial_days.
-- Locks:    ACCESS EXCLUSIVE on core.plan for a moment.
-- Data:     two plans may be tried for 14 days; the columns are told to core.data_inventory.
-- Old code: goes on; it asks for no price.
-- Rollback: drops every price.
-- depends: 20261122_31_pre_core_create_usage_counter

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow prefer-bigint-over-int: days of a trial are a few.
ALTER TABLE core.plan
ADD COLUMN trial_days integer NOT NULL DEFAULT 0 CONSTRAINT plan_trial_days_range CHECK (trial_days BETWEEN 0 AND 365);
COMMENT ON COLUMN core.plan.trial_days IS 'For how long a workspace may try it, once; 0 is not at all.';

UPDATE core.plan
SET trial_days = 14
WHERE slug IN ('pro', 'premium');

CREATE TABLE core.plan_price (
    id                uuid        NOT NULL DEFAULT uuidv7() CONSTRAINT plan_price_pkey PRIMARY KEY,
    plan_id           uuid        NOT NULL CONSTRAINT plan_price_plan_id_fkey REFERENCES core.plan (id),
    amount            bigint      NOT NULL CONSTRAINT plan_price_amount_range CHECK (amount BETWEEN 0 AND 1000000000000),
    valid_from        timestamptz NOT NULL,
    currency          text        NOT NULL CONSTRAINT plan_price_currency_form CHECK (currency ~ '^[A-Z]{3}$'),
    billing_interval  text        NOT NULL CONSTRAINT plan_price_billing_interval_known CHECK (billing_interval IN ('MONTH', 'YEAR')),
    provider_price_id text        NOT NULL CONSTRAINT plan_price_provider_price_id_length
        CHECK (length(provider_price_id) BETWEEN 1 AND 200),
    CONSTRAINT plan_price_valid_from_key UNIQUE (plan_id, currency, billing_interval, valid_from)
);

-- Serves the look for the plan that was paid for.
CREATE INDEX plan_price_provider_price_id_idx ON core.plan_price (provider_price_id);

COMMENT ON TABLE core.plan_price IS 'shared. What a plan costs from a moment on, until the next price of its currency and interval. Append-only.';
COMMENT ON COLUMN core.plan_price.amount IS 'In the smallest unit of the currency: cents.';
COMMENT ON COLUMN core.plan_price.provider_price_id IS 'What the payment provider calls it.';

CREATE TABLE core.credit_pack (
    id                uuid        NOT NULL DEFAULT uuidv7() CONSTRAINT credit_pack_pkey PRIMARY KEY,
    credits           bigint      NOT NULL CONSTRAINT credit_pack_credits_range CHECK (credits BETWEEN 1 AND 1000000000000),
    amount            bigint      NOT NULL CONSTRAINT credit_pack_amount_range CHECK (amount BETWEEN 0 AND 1000000000000),
    valid_from        timestamptz NOT NULL,
    slug              text        NOT NULL CONSTRAINT credit_pack_slug_form CHECK (slug ~ '^[a-z][a-z0-9-]{0,39}$'),
    unit              text        NOT NULL CONSTRAINT credit_pack_unit_form CHECK (unit ~ '^[a-z][a-z_]{1,19}$'),
    currency          text        NOT NULL CONSTRAINT credit_pack_currency_form CHECK (currency ~ '^[A-Z]{3}$'),
    provider_price_id text        NOT NULL CONSTRAINT credit_pack_provider_price_id_length
        CHECK (length(provider_price_id) BETWEEN 1 AND 200),
    CONSTRAINT credit_pack_valid_from_key UNIQUE (slug, currency, valid_from)
);

COMMENT ON TABLE core.credit_pack IS 'shared. Credits that can be bought at once, and what they cost from a moment on. Append-only.';
COMMENT ON COLUMN core.credit_pack.amount IS 'In the smallest unit of the currency: cents.';
COMMENT ON COLUMN core.credit_pack.provider_price_id IS 'What the payment provider calls it.';

ALTER TABLE core.plan_price ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.plan_price FORCE ROW LEVEL SECURITY;
ALTER TABLE core.credit_pack ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.credit_pack FORCE ROW LEVEL SECURITY;

-- allow always-true-policy: a shared noun is readable by everyone.
CREATE POLICY shared ON core.plan_price FOR SELECT TO fivefold_api, fivefold_worker USING (true);
-- allow always-true-policy: as above.
CREATE POLICY shared ON core.credit_pack FOR SELECT TO fivefold_api, fivefold_worker USING (true);
CREATE POLICY curator_insert ON core.plan_price FOR INSERT TO fivefold_api
WITH CHECK ((SELECT core.is_curator()));
CREATE POLICY curator_insert ON core.credit_pack FOR INSERT TO fivefold_api
WITH CHECK ((SELECT core.is_curator()));
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON core.plan_price TO fivefold_owner USING (true) WITH CHECK (true);
-- allow always-true-policy: as above.
CREATE POLICY owner ON core.credit_pack TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT ON core.plan_price, core.credit_pack TO fivefold_api, fivefold_worker;
GRANT INSERT ON core.plan_price, core.credit_pack TO fivefold_api;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON core.plan_price
FOR EACH ROW EXECUTE FUNCTION core.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON core.credit_pack
FOR EACH ROW EXECUTE FUNCTION core.refuse_change();
ALTER TABLE core.plan_price ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE core.credit_pack ENABLE ALWAYS TRIGGER append_only;

-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_insert AFTER INSERT ON core.plan_price REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'id', 'id,plan_id,amount,valid_from,currency,billing_interval,provider_price_id');
ALTER TABLE core.plan_price ENABLE ALWAYS TRIGGER audit_insert;
CREATE TRIGGER audit_insert AFTER INSERT ON core.credit_pack REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'id', 'id,slug,unit,credits,amount,valid_from,currency,provider_price_id');
ALTER TABLE core.credit_pack ENABLE ALWAYS TRIGGER audit_insert;

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.plan', 'trial_days', 'shared', 'billing', 'omit', 'keep', 'product', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.plan_price', 'id', 'shared', 'billing', 'omit', 'keep', 'product', NULL),
('core.plan_price', 'plan_id', 'shared', 'billing', 'omit', 'keep', 'product', NULL),
('core.plan_price', 'amount', 'shared', 'billing', 'omit', 'keep', 'product', NULL),
('core.plan_price', 'valid_from', 'shared', 'billing', 'omit', 'keep', 'product', NULL),
('core.plan_price', 'currency', 'shared', 'billing', 'omit', 'keep', 'product', NULL),
('core.plan_price', 'billing_interval', 'shared', 'billing', 'omit', 'keep', 'product', NULL),
('core.plan_price', 'provider_price_id', 'shared', 'billing', 'omit', 'keep', 'product', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.credit_pack', 'id', 'shared', 'billing', 'omit', 'keep', 'product', NULL),
('core.credit_pack', 'credits', 'shared', 'billing', 'omit', 'keep', 'product', NULL),
('core.credit_pack', 'amount', 'shared', 'billing', 'omit', 'keep', 'product', NULL),
('core.credit_pack', 'valid_from', 'shared', 'billing', 'omit', 'keep', 'product', NULL),
('core.credit_pack', 'slug', 'shared', 'billing', 'omit', 'keep', 'product', NULL),
('core.credit_pack', 'unit', 'shared', 'billing', 'omit', 'keep', 'product', NULL),
('core.credit_pack', 'currency', 'shared', 'billing', 'omit', 'keep', 'product', NULL),
('core.credit_pack', 'provider_price_id', 'shared', 'billing', 'omit', 'keep', 'product', NULL);
