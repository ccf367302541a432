-- Why:      a foreign key that was added without looking at old rows is proven for them too.
-- Change:   privacy.snapshot: snapshot_device_fkey is valid.
-- Locks:    SHARE UPDATE EXCLUSIVE on privacy.snapshot, ROW SHARE on core.device: reading and writing go on.
-- Data:     reads every snapshot once; none is written.
-- Old code: sees no difference.
-- Rollback: makes the key again as it was, for new rows only.
-- depends: 20261121_66_pre_privacy_add_signatures

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '10min';

ALTER TABLE privacy.snapshot VALIDATE CONSTRAINT snapshot_device_fkey;
