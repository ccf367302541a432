SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DELETE FROM core.data_inventory WHERE object IN ('core.webhook_delivery', 'core.webhook_attempt');
DROP TRIGGER make_deliveries ON core.outbox;
DROP FUNCTION core.make_deliveries();
DROP TABLE core.webhook_attempt;
DROP TABLE core.webhook_delivery;
