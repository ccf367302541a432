-- Why:      keys are made for scans too, and only for what they need.
-- Change:   core.api_key knows the scopes scans:read and scans:write.
-- Locks:    ACCESS EXCLUSIVE on core.api_key for a moment.
-- Data:     no rows are written.
-- Old code: goes on: it makes keys of the scopes it knows.
-- Rollback: fails while there are keys with these scopes.
-- depends: 20261124_01_pre_scans_create_scan 20261120_07_pre_core_create_api_key

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow constraint-missing-not-valid, ban-drop-constraint: another takes its place at once, and few rows are there to read.
ALTER TABLE core.api_key
DROP CONSTRAINT api_key_scopes_known,
ADD CONSTRAINT api_key_scopes_known CHECK (
    scopes <@ ARRAY['snapshots:write', 'privacy:read', 'scans:read', 'scans:write'] AND cardinality(scopes) BETWEEN 1 AND 4
);
