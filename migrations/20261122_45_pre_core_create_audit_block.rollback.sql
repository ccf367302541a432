SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

SET LOCAL fivefold.audit_ddl = 'allowed';

DELETE FROM core.data_inventory AS i
WHERE i.object IN ('core.audit_key', 'core.audit_block', 'core.audit_node');
DROP FUNCTION core.measure_audit_lag();
DROP FUNCTION core.append_audit_block(
    bigint, bigint, bigint, bigint, xid8, xid8, timestamptz, integer, text, bytea, bytea, bytea, bytea, bytea, bytea,
    integer[], bigint[], bytea[]
);
DROP FUNCTION core.audit_comes_from_elsewhere();
DROP FUNCTION core.list_every_event(uuid, uuid, integer);
DROP FUNCTION core.list_unsealed_event(xid8, xid8, integer);
DROP TABLE core.audit_node;
DROP TABLE core.audit_block;
DROP TABLE core.audit_key;
DROP INDEX core.audit_event_xid_idx;
