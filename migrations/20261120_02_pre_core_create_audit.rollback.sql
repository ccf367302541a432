SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

SET LOCAL fivefold.audit_ddl = 'allowed';

DROP FUNCTION core.create_audit_partition(date);
DROP TABLE core.audit_detail;
DROP TABLE core.audit_event;
DROP FUNCTION core.record_audit();
DROP FUNCTION core.audit_difference(jsonb, jsonb);
DROP FUNCTION core.audit_columns(jsonb, text[]);
DROP FUNCTION core.refuse_change();
