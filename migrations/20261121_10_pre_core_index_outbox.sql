-- Why:      each server process asks several times a second what is new for anybody who listens to it.
-- Change:   index core.outbox_xid_idx.
-- Locks:    SHARE on core.outbox while the index is made.
-- Data:     no rows are written.
-- Old code: not affected.
-- Rollback: the question reads the whole table.
-- depends: 20261121_02_pre_core_create_outbox

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow require-concurrent-index-creation: the table came in the same release, so it is empty or nearly.
CREATE INDEX outbox_xid_idx ON core.outbox (xid);
