-- Why:      strangers have buckets too, one for each network and address that they try; what is full again tells nothing more.
-- Change:   the worker may delete what nobody has asked for in a day.
-- Locks:    ACCESS EXCLUSIVE on core.rate_bucket, for a moment.
-- Data:     no rows are written.
-- Old code: goes on.
-- Rollback: buckets stay.
-- depends: 20261122_09_pre_core_create_email_token

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE POLICY worker_old ON core.rate_bucket TO fivefold_worker
USING (refilled_at < now() - interval '1 day');

GRANT SELECT, DELETE ON core.rate_bucket TO fivefold_worker;

COMMENT ON COLUMN core.rate_bucket.workspace_id IS 'The workspace; or 16 bytes of a hash of what strangers are told by: a network, an address, both.';
