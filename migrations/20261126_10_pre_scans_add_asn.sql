-- Why:      addresses come and go, but whoever runs many of them does so from the same network: its number is a fact of each access.
-- Change:   scans.access.asn, told to the audit as the other columns are, and the index by which scans of a network are found.
-- Locks:    ACCESS EXCLUSIVE on scans.access for a moment; SHARE while its index is built.
-- Data:     a row of the inventory; accesses that were have no number, and nobody knows it.
-- Old code: writes no numbers; its audit verify takes rows that have one for changed, the new code's does not.
-- Rollback: drops the numbers. What the audit told of them stays, and the old code takes those rows for changed.
-- depends: 20261126_06_pre_scans_write_audit 20261126_03_pre_scans_look_up_keys 20261125_35_pre_scans_limit_statistics 20261125_13_pre_scans_require_scan 20261125_12_pre_scans_create_retention

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

ALTER TABLE scans.access ADD COLUMN asn bigint;
-- allow constraint-missing-not-valid: the column is new, so no row has to be looked at for long.
ALTER TABLE scans.access ADD CONSTRAINT access_asn_range CHECK (asn BETWEEN 1 AND 4294967295 AND address IS NOT NULL OR asn IS NULL);

COMMENT ON COLUMN scans.access.asn IS 'The number of the network that announced the address, as the operator''s file said then; NULL where it did not.';

-- Where the operator keeps no such file it stays empty, and costs nothing.
-- allow require-concurrent-index-creation: no row has a number yet, so the index is empty.
CREATE INDEX access_workspace_id_asn_scan_id_idx ON scans.access (workspace_id, asn, scan_id) WHERE asn IS NOT NULL;

-- The guard of the audit lets nobody replace this trigger by mistake; here it is meant: it tells one column more.
SET LOCAL fivefold.audit_ddl = 'allowed';
CREATE OR REPLACE TRIGGER audit_insert AFTER INSERT ON scans.access REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.audit_scans_access('workspace_id', 'id', 'scan_id,address,asn,port,milliseconds,seq,status,trial,kind,failure,sha256:masked_url,sha256:url_hash,sha256:content_sha256,sha256:certificate_sha256');
ALTER TABLE scans.access ENABLE ALWAYS TRIGGER audit_insert;
SELECT core.write_audit('scans.access');
SET LOCAL fivefold.audit_ddl = '';

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('scans.access', 'asn', 'technical', 'service', 'include', 'delete', '400 days', NULL);
