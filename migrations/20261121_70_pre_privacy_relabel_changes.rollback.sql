SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

REVOKE UPDATE (origin, confidence) ON privacy.change FROM fivefold_worker;

DROP POLICY worker_crowd ON core.workspace;
DROP POLICY worker_crowd ON core.member;
DROP POLICY crowd ON privacy.change;
DROP POLICY worker_crowd ON privacy.change;

DROP INDEX privacy.change_snapshot_id_idx;

-- allow ban-drop-constraint: the next statement makes it again as it was.
ALTER TABLE privacy.change DROP CONSTRAINT change_origin_known;
-- allow constraint-missing-not-valid: it must refuse while a change has the origin that old code does not know.
ALTER TABLE privacy.change ADD CONSTRAINT change_origin_known
CHECK (origin IN ('USER', 'PLATFORM_DEFAULT', 'PLATFORM_STRUCTURE', 'TECHNICAL', 'UNKNOWN'));
