-- Why:      mail needs an address, and quiet hours and digests the clock of a time zone.
-- Change:   two policies on core.account for the worker.
-- Locks:    ACCESS EXCLUSIVE on core.account, for a moment.
-- Data:     no rows are written.
-- Old code: sees what it saw.
-- Rollback: no mail is sent until it is applied again.
-- depends: 20261120_05_pre_core_create_member

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- In a workspace: its members, to write to them.
CREATE POLICY worker_member ON core.account FOR SELECT TO fivefold_worker
USING (EXISTS (
    SELECT FROM core.member AS m
    WHERE m.workspace_id = (SELECT core.current_workspace_id())
        AND m.account_id = account.id
));
-- As the system: whose Monday has come is a question to all.
CREATE POLICY worker_all ON core.account FOR SELECT TO fivefold_worker
USING ((SELECT core.current_workspace_id()) = (SELECT core.system_workspace_id()));
