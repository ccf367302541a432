SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

REVOKE DELETE ON core.billing_event FROM fivefold_worker;
DROP POLICY worker_keeps ON core.billing_event;
DROP POLICY worker_old ON core.billing_event;

UPDATE core.data_inventory
SET retention = 'workspace'
WHERE object = 'core.billing_event';
