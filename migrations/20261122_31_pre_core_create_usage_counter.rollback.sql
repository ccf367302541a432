SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DROP TABLE core.usage_counter;
ALTER TABLE core.plan_limit DROP COLUMN period;

DELETE FROM core.data_inventory
WHERE object = 'core.usage_counter' OR (object = 'core.plan_limit' AND column_name = 'period');
