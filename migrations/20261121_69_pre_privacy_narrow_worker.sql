-- Why:      a worker that acts in one workspace needs to see no other; only one that acts for the system looks across.
-- Change:   the policies by which the worker finds due links and asks for scans hold for the system alone.
-- Locks:    ACCESS EXCLUSIVE on privacy.platform_link and core.outbox for a moment.
-- Data:     no rows are written.
-- Old code: goes on: its scheduler acts for the system.
-- Rollback: the worker sees due links whatever workspace it acts in.
-- depends: 20261121_44_pre_privacy_schedule_platform_link 20261121_46_pre_privacy_create_scan_pace

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

ALTER POLICY worker_all_select ON privacy.platform_link
USING (
    (SELECT core.current_workspace_id()) = (SELECT core.system_workspace_id())
    AND status = 'ACTIVE' AND (next_scan_at IS NOT NULL OR requested_at IS NOT NULL OR last_failure_at IS NOT NULL)
);
ALTER POLICY worker_all_update ON privacy.platform_link
USING (
    (SELECT core.current_workspace_id()) = (SELECT core.system_workspace_id())
    AND status = 'ACTIVE' AND (next_scan_at IS NOT NULL OR requested_at IS NOT NULL OR last_failure_at IS NOT NULL)
);
