-- Why:      what the provider told is of use while somebody may ask about it, and not for ever.
-- Change:   the worker may drop core.billing_event rows past 400 days, and no younger ones.
-- Locks:    ACCESS EXCLUSIVE on core.billing_event for a moment.
-- Data:     the retention in core.data_inventory.
-- Old code: goes on and drops none.
-- Rollback: nothing is dropped any more.
-- depends: 20261123_34_pre_core_tell_of_payments

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- As the system the worker drops what is old; in a workspace, too, it can drop nothing younger.
CREATE POLICY worker_old ON core.billing_event TO fivefold_worker
USING (
    (SELECT core.current_workspace_id()) = (SELECT core.system_workspace_id())
    AND uuid_extract_timestamp(id) < now() - interval '400 days'
);
CREATE POLICY worker_keeps ON core.billing_event AS RESTRICTIVE FOR DELETE TO fivefold_worker
USING (uuid_extract_timestamp(id) < now() - interval '400 days');
GRANT DELETE ON core.billing_event TO fivefold_worker;

UPDATE core.data_inventory
SET retention = '400 days'
WHERE object = 'core.billing_event';
