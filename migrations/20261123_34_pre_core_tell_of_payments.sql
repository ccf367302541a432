-- Why:      those who see to payments are told when one failed; and a kind of notification is a matter of the code alone.
-- Change:   notifications have any kind that fits the sets of kinds in core.notification_preference.
-- Locks:    ACCESS EXCLUSIVE on core.notification for a moment.
-- Data:     no rows are written; what is there has one of the kinds before.
-- Old code: tells nothing of the new kind and does not know how it reads: roll back before going back.
-- Rollback: refused while a notification of a newer kind is there.
-- depends: 20261122_33_pre_core_create_subscription 20261122_58_pre_core_tell_of_exports

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow constraint-missing-not-valid, ban-drop-constraint: another takes its place at once, and few rows are there to read.
ALTER TABLE core.notification
DROP CONSTRAINT notification_kind_known,
ADD CONSTRAINT notification_kind_known CHECK (kind BETWEEN 1 AND 30);

COMMENT ON COLUMN core.notification.kind IS 'By the number that app/core/notification.py gives it: there is room for as many as a set of kinds holds.';
