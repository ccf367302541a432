-- Why:      that a snapshot was confirmed until a moment must outlast the next snapshot: without it nobody can say how long a setting was what it was.
-- Change:   privacy.snapshot.previous_seen_until, the one column that may change afterwards: a scan that comes late teaches it.
-- Locks:    ACCESS EXCLUSIVE on privacy.snapshot, for as long as the catalog is written.
-- Data:     no rows are written; older snapshots do not know.
-- Old code: goes on; what it inserts does not know.
-- Rollback: drops the column: until when older snapshots were confirmed is lost.
-- depends: 20261120_25_pre_privacy_create_snapshot

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

ALTER TABLE privacy.snapshot ADD COLUMN previous_seen_until timestamptz;

COMMENT ON TABLE privacy.snapshot IS 'owned. Immutable but for previous_seen_until. Only what differs from the template''s defaults is stored.';
COMMENT ON COLUMN privacy.snapshot.previous_seen_until IS 'Until when unchanged scans confirmed the snapshot before this one; NULL when none did. Its own captured_at where the one before saw the same.';

GRANT UPDATE (previous_seen_until) ON privacy.snapshot TO fivefold_api;

-- allow drop-trigger: the next line makes it again, with its exception.
DROP TRIGGER immutable ON privacy.snapshot;
CREATE TRIGGER immutable BEFORE UPDATE ON privacy.snapshot
FOR EACH ROW WHEN (to_jsonb(old.*) - 'previous_seen_until' IS DISTINCT FROM to_jsonb(new.*) - 'previous_seen_until')
EXECUTE FUNCTION core.refuse_change();
ALTER TABLE privacy.snapshot ENABLE ALWAYS TRIGGER immutable;
