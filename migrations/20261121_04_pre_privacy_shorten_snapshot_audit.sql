-- Why:      an event's detail takes twice the bytes of the snapshot that it tells of, and repeats what the event says: the snapshot's id, and in it the moment.
-- Change:   the audit triggers of privacy.snapshot tell four columns instead of six.
-- Locks:    SHARE ROW EXCLUSIVE and then ACCESS EXCLUSIVE on privacy.snapshot, for a moment.
-- Data:     no rows are written; older details stay as they are.
-- Old code: goes on.
-- Rollback: tells six columns again.
-- depends: 20261120_25_pre_privacy_create_snapshot

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE OR REPLACE TRIGGER audit_insert AFTER INSERT ON privacy.snapshot REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'link_id,template_id,sha256:packed,sha256:observed');
CREATE OR REPLACE TRIGGER audit_delete AFTER DELETE ON privacy.snapshot REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'link_id,template_id,sha256:packed,sha256:observed');
ALTER TABLE privacy.snapshot ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE privacy.snapshot ENABLE ALWAYS TRIGGER audit_delete;
