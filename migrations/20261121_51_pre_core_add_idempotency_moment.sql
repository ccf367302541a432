-- Why:      an unchanged scan adds no row, and one that comes late must still find out when the others near it were made.
-- Change:   core.idempotency.moment.
-- Locks:    ACCESS EXCLUSIVE on core.idempotency, for as long as the catalog is written.
-- Data:     no rows are written.
-- Old code: goes on; its keys have no moment.
-- Rollback: drops the column: a scan that comes late then cuts what was confirmed more coarsely.
-- depends: 20261120_10_pre_core_create_idempotency

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

ALTER TABLE core.idempotency ADD COLUMN moment timestamptz;

COMMENT ON COLUMN core.idempotency.moment IS 'What the mutation told and no row holds: when an unchanged scan was made.';

GRANT UPDATE (moment) ON core.idempotency TO fivefold_api;
