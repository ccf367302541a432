-- Why:      a check that was added without looking at old rows is proven for them too.
-- Change:   privacy.change: change_origin_known is valid.
-- Locks:    SHARE UPDATE EXCLUSIVE on privacy.change: reading and writing go on.
-- Data:     reads every change once; none is written.
-- Old code: sees no difference.
-- Rollback: makes the check again as it was, for new rows only.
-- depends: 20261121_70_pre_privacy_relabel_changes

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '10min';

ALTER TABLE privacy.change VALIDATE CONSTRAINT change_origin_known;
