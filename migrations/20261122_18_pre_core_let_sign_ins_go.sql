-- Why:      a sign-in that nobody ends holds an address; the next one that begins deletes it, but there may be none for long.
-- Change:   policy worker_old on core.sign_in.
-- Locks:    ACCESS EXCLUSIVE on core.sign_in for a moment.
-- Data:     no rows are written.
-- Old code: never asks for what the policy allows.
-- Rollback: what ran out stays until another sign-in begins.
-- depends: 20261122_16_pre_core_create_sign_in

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- What ran out is deleted by the worker, which sees nothing younger.
CREATE POLICY worker_old ON core.sign_in TO fivefold_worker USING (expires_at < now());
GRANT SELECT, DELETE ON core.sign_in TO fivefold_worker;
