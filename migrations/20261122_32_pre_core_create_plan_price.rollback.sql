SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DROP TABLE core.credit_pack;
DROP TABLE core.plan_price;
ALTER TABLE core.plan DROP COLUMN trial_days;

DELETE FROM core.data_inventory
WHERE object IN ('core.plan_price', 'core.credit_pack') OR (object = 'core.plan' AND column_name = 'trial_days');
