SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow ban-drop-constraint: the next statement makes it again; a valid check cannot be made invalid.
ALTER TABLE privacy.change DROP CONSTRAINT change_origin_known;
ALTER TABLE privacy.change ADD CONSTRAINT change_origin_known
CHECK (origin IN ('USER', 'PLATFORM_DEFAULT', 'PLATFORM_STRUCTURE', 'PLATFORM_CROWD', 'TECHNICAL', 'UNKNOWN')) NOT VALID;
