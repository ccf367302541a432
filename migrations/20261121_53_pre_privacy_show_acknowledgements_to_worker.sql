-- Why:      a template that is activated opens what people had acknowledged of settings that it has otherwise, in every workspace.
-- Change:   policies for the worker as the system on privacy.acknowledgement, privacy.platform_link and privacy.snapshot.
-- Locks:    ACCESS EXCLUSIVE on privacy.acknowledgement, privacy.platform_link and privacy.snapshot for a moment.
-- Data:     no rows are written.
-- Old code: goes on.
-- Rollback: nothing is opened when a template is activated.
-- depends: 20261121_52_pre_privacy_create_acknowledgement

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE POLICY worker_reopening ON privacy.acknowledgement TO fivefold_worker
USING ((SELECT core.current_workspace_id()) = (SELECT core.system_workspace_id()));
CREATE POLICY worker_reopening ON privacy.platform_link FOR SELECT TO fivefold_worker
USING ((SELECT core.current_workspace_id()) = (SELECT core.system_workspace_id()));
CREATE POLICY worker_reopening ON privacy.snapshot FOR SELECT TO fivefold_worker
USING ((SELECT core.current_workspace_id()) = (SELECT core.system_workspace_id()));

GRANT SELECT ON privacy.acknowledgement, privacy.platform_link, privacy.snapshot TO fivefold_worker;
GRANT UPDATE (reopened_at, reopen_reason) ON privacy.acknowledgement TO fivefold_worker;
