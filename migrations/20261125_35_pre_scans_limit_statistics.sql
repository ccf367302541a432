-- Why:      the planner's statistics keep values of rows: after an erasure an address, a name or a note could be read in them
--           until the table was analyzed again, and longer where it was left empty.
-- Change:   no statistics of what people write or are called by.
-- Locks:    SHARE UPDATE EXCLUSIVE for a moment, so that reading and writing go on, on scans.access, scans.dispute,
--           scans.indicator, scans.monitor, scans.publication, scans.scan, scans.scan_result.
-- Data:     statistics of those columns are dropped.
-- Old code: goes on.
-- Rollback: statistics are gathered again by the next ANALYZE.
-- depends: 20261125_34_pre_privacy_limit_statistics 20261124_42_pre_scans_create_monitor

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

ALTER TABLE scans.access
ALTER COLUMN address SET STATISTICS 0,
ALTER COLUMN masked_url SET STATISTICS 0;
ALTER TABLE scans.dispute
ALTER COLUMN answer SET STATISTICS 0,
ALTER COLUMN reason SET STATISTICS 0;
ALTER TABLE scans.indicator
ALTER COLUMN kind SET STATISTICS 0;
ALTER TABLE scans.monitor
ALTER COLUMN host SET STATISTICS 0,
ALTER COLUMN masked_url SET STATISTICS 0,
ALTER COLUMN url_sealed SET STATISTICS 0;
ALTER TABLE scans.publication
ALTER COLUMN host SET STATISTICS 0,
ALTER COLUMN masked_url SET STATISTICS 0,
ALTER COLUMN token_hash SET STATISTICS 0;
ALTER TABLE scans.scan
ALTER COLUMN host SET STATISTICS 0,
ALTER COLUMN masked_url SET STATISTICS 0,
ALTER COLUMN url_sealed SET STATISTICS 0;
ALTER TABLE scans.scan_result
ALTER COLUMN certificate_hash SET STATISTICS 0,
ALTER COLUMN content_hash SET STATISTICS 0,
ALTER COLUMN content_type SET STATISTICS 0,
ALTER COLUMN cookie_names SET STATISTICS 0,
ALTER COLUMN favicon_hash SET STATISTICS 0,
ALTER COLUMN final_host SET STATISTICS 0,
ALTER COLUMN form_hosts SET STATISTICS 0,
ALTER COLUMN header_hash SET STATISTICS 0,
ALTER COLUMN headers SET STATISTICS 0,
ALTER COLUMN reasoning SET STATISTICS 0,
ALTER COLUMN tls_issuer SET STATISTICS 0;

-- What there is of them already.
SELECT pg_clear_attribute_stats(s.schemaname, s.tablename, s.attname, s.inherited)
FROM pg_stats AS s
JOIN pg_attribute AS a ON a.attrelid = format('%I.%I', s.schemaname, s.tablename)::regclass AND a.attname = s.attname
WHERE s.schemaname = 'scans'
    AND a.attstattarget = 0;
