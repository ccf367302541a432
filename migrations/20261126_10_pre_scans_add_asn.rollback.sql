SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DELETE FROM core.data_inventory WHERE object = 'scans.access' AND column_name = 'asn';

SET LOCAL fivefold.audit_ddl = 'allowed';
CREATE OR REPLACE TRIGGER audit_insert AFTER INSERT ON scans.access REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.audit_scans_access('workspace_id', 'id', 'scan_id,address,port,milliseconds,seq,status,trial,kind,failure,sha256:masked_url,sha256:url_hash,sha256:content_sha256,sha256:certificate_sha256');
ALTER TABLE scans.access ENABLE ALWAYS TRIGGER audit_insert;
SELECT core.write_audit('scans.access');

DROP INDEX scans.access_workspace_id_asn_scan_id_idx;
ALTER TABLE scans.access DROP CONSTRAINT access_asn_range;
ALTER TABLE scans.access DROP COLUMN asn;
