-- Why:      mails and digests tell what changed, and are made by jobs.
-- Change:   the worker may read privacy.change, of the workspace that a job is for.
-- Locks:    none on existing tables.
-- Data:     no rows are written.
-- Old code: sees what it saw.
-- Rollback: mails of changes fail until it is applied again.
-- depends: 20261120_26_pre_privacy_create_change

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

GRANT SELECT ON privacy.change TO fivefold_worker;
