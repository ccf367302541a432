SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DROP FUNCTION core.receive_billing_event(text, text, timestamptz, text, uuid, boolean, jsonb);
DROP FUNCTION core.end_trial();
DROP FUNCTION core.start_trial(text);
DROP FUNCTION core.follow_subscription();
DROP TABLE core.invoice;
DROP TABLE core.subscription;
DROP TABLE core.billing_event;
DROP TABLE core.billing_customer;
DROP FUNCTION core.step_subscription();

DELETE FROM core.data_inventory
WHERE object IN ('core.billing_customer', 'core.billing_event', 'core.subscription', 'core.invoice');
