SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow constraint-missing-not-valid, ban-drop-constraint: as the migration.
ALTER TABLE core.api_key
DROP CONSTRAINT api_key_scopes_known,
ADD CONSTRAINT api_key_scopes_known CHECK (scopes <@ ARRAY['snapshots:write', 'privacy:read'] AND cardinality(scopes) BETWEEN 1 AND 2);
