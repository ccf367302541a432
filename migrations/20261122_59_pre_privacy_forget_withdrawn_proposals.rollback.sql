SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DROP TRIGGER forget_withdrawn ON privacy.proposal;
DROP FUNCTION privacy.forget_withdrawn();
DROP TRIGGER append_only_delete ON privacy.template_setting;
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE ON privacy.template_setting
FOR EACH ROW EXECUTE FUNCTION core.refuse_change();
ALTER TABLE privacy.template_setting ENABLE ALWAYS TRIGGER append_only;
DROP FUNCTION privacy.refuse_shared();
