-- Why:      a person is told when an export is ready and when an erasure is coming.
-- Change:   notifications have the kinds 7 and 8.
-- Locks:    ACCESS EXCLUSIVE on core.notification for a moment.
-- Data:     no rows are written; what is there has one of the kinds and is not read again.
-- Old code: tells nothing of the new kinds and does not know how they read: roll back before going back.
-- Rollback: refused while a notification of a new kind is there.
-- depends: 20261122_57_pre_core_create_erasure

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow constraint-missing-not-valid, ban-drop-constraint: another takes its place at once, and few rows are there to read.
ALTER TABLE core.notification
DROP CONSTRAINT notification_kind_known,
ADD CONSTRAINT notification_kind_known CHECK (kind IN (1, 2, 3, 4, 5, 7, 8));
