SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

SET LOCAL fivefold.audit_ddl = 'allowed';

SET LOCAL ROLE fivefold_definer;
DROP FUNCTION core.forget_audit_detail(uuid[]);
SET LOCAL ROLE fivefold_owner;

DROP TRIGGER append_only_living ON core.audit_detail;
DROP FUNCTION core.refuse_living();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE ON core.audit_detail
FOR EACH ROW EXECUTE FUNCTION core.refuse_change();
ALTER TABLE core.audit_detail ENABLE ALWAYS TRIGGER append_only;
DROP TRIGGER append_only_delete ON core.audit_detail;

DROP POLICY definer_forgets ON core.audit_detail;
DROP POLICY definer_reads ON core.audit_detail;
DROP POLICY definer_reads ON core.audit_event;
REVOKE SELECT ON core.audit_event FROM fivefold_definer;
REVOKE SELECT, DELETE ON core.audit_detail FROM fivefold_definer;
