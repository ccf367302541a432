-- Why:      people move: quiet hours, digests and schedules go by the clock of their account's time zone.
-- Change:   a policy and a grant by which the API changes name, locale and time zone of the caller's own account.
-- Locks:    ACCESS EXCLUSIVE on core.account, for a moment.
-- Data:     no rows are written.
-- Old code: goes on.
-- Rollback: accounts stay as they are.
-- depends: 20261120_03_pre_core_create_account

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE POLICY self_update ON core.account FOR UPDATE TO fivefold_api
USING (id = (SELECT core.current_account_id()));

GRANT UPDATE (display_name, locale, time_zone) ON core.account TO fivefold_api;
