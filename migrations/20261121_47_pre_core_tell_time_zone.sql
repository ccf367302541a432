-- Why:      a schedule follows the clock of the person whose link it is, whoever looks at it and whoever computes it.
-- Change:   core.time_zone_of(account); the worker may tell of requested scans in every workspace.
-- Locks:    ACCESS EXCLUSIVE on core.outbox while a policy is added.
-- Data:     no rows are written.
-- Old code: nothing uses it yet.
-- Rollback: drops both.
-- depends: 20261120_03_pre_core_create_account 20261121_02_pre_core_create_outbox

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- Nobody sees another's account; of all that is in it, this tells the time zone.
CREATE FUNCTION core.time_zone_of(account_id uuid) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
RETURN (SELECT a.time_zone FROM core.account AS a WHERE a.id = time_zone_of.account_id);

REVOKE ALL ON FUNCTION core.time_zone_of(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION core.time_zone_of(uuid) TO fivefold_api, fivefold_worker;

-- The scheduler asks for the scans of many workspaces in one statement.
CREATE POLICY worker_all ON core.outbox FOR INSERT TO fivefold_worker WITH CHECK (kind = 'privacy.scan_requested');
