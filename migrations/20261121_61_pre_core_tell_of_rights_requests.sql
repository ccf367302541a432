-- Why:      a person is told when a platform did not answer a request in time.
-- Change:   notifications have a fifth kind.
-- Locks:    ACCESS EXCLUSIVE on core.notification for a moment.
-- Data:     no rows are written; what is there has one of the four kinds and is not read again.
-- Old code: tells nothing of the fifth kind and does not know how it reads: roll back before going back.
-- Rollback: refused while a notification of the fifth kind is there.
-- depends: 20261121_16_pre_core_create_notification

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow constraint-missing-not-valid, ban-drop-constraint: another takes its place at once, and few rows are there to read.
ALTER TABLE core.notification
DROP CONSTRAINT notification_kind_known,
ADD CONSTRAINT notification_kind_known CHECK (kind BETWEEN 1 AND 5);

COMMENT ON COLUMN core.notification.object_id IS 'What it is about, by the kind: a snapshot, a template, a link, a rights request; NULL for a digest.';
COMMENT ON COLUMN core.notification.kind IS '1 privacy change, 2 template change, 3 link failing, 4 weekly digest, 5 rights request overdue.';
