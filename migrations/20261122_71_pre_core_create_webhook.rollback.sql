SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DELETE FROM core.data_inventory WHERE object = 'core.webhook';
DELETE FROM core.plan_limit WHERE name = 'core.webhooks';
DROP TABLE core.webhook;
