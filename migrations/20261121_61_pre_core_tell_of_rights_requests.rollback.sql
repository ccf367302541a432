SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow constraint-missing-not-valid, ban-drop-constraint: another takes its place at once, and few rows are there to read.
ALTER TABLE core.notification
DROP CONSTRAINT notification_kind_known,
ADD CONSTRAINT notification_kind_known CHECK (kind BETWEEN 1 AND 4);

COMMENT ON COLUMN core.notification.object_id IS 'What it is about, by the kind: a snapshot, a template, a link; NULL for a digest.';
COMMENT ON COLUMN core.notification.kind IS '1 privacy change, 2 template change, 3 link failing, 4 weekly digest.';
