SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DROP INDEX core.outbox_xid_idx;
