-- Why:      when scans were chosen, and when they stopped, is asked of the audit.
-- Change:   the audit of changes to privacy.platform_link tells frequency, time, weekday and the moment of stopping.
-- Locks:    SHARE ROW EXCLUSIVE on privacy.platform_link while the trigger is replaced, SHARE ROW EXCLUSIVE again to enable it.
-- Data:     no rows are written.
-- Old code: changes none of these columns.
-- Rollback: tells what was told before.
-- depends: 20261121_44_pre_privacy_schedule_platform_link 20261121_66_pre_privacy_add_signatures

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- When the next scan comes and how often one failed is bookkeeping, and told to nobody.
CREATE OR REPLACE TRIGGER audit_update AFTER UPDATE ON privacy.platform_link REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit(
    'workspace_id', 'id', 'id,account_id,platform_id,label,status,unlink_reason,signed_since,frequency,scan_minute,weekday,stopped_at');
-- A replaced trigger is an ordinary one again.
ALTER TABLE privacy.platform_link ENABLE ALWAYS TRIGGER audit_update;
