-- Why:      the planner's statistics keep values of rows: after an erasure an address, a name or a note could be read in them
--           until the table was analyzed again, and longer where it was left empty.
-- Change:   no statistics of what people write or are called by; what three columns called reason are is said right.
-- Locks:    SHARE UPDATE EXCLUSIVE for a moment, so that reading and writing go on, on privacy.acknowledgement,
--           privacy.change, privacy.platform_link, privacy.proposal, privacy.purged_snapshot,
--           privacy.recommendation_dismissal, privacy.rights_request, privacy.rights_request_event, privacy.setting_label,
--           privacy.snapshot, privacy.template, privacy.template_analysis, privacy.template_setting.
-- Data:     statistics of those columns are dropped; three rows of the data inventory.
-- Old code: goes on.
-- Rollback: statistics are gathered again by the next ANALYZE.
-- depends: 20261125_33_pre_jobs_limit_statistics 20261122_55_pre_core_classify_columns

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

ALTER TABLE privacy.acknowledgement
ALTER COLUMN note SET STATISTICS 0,
ALTER COLUMN setting SET STATISTICS 0;
ALTER TABLE privacy.change
ALTER COLUMN new_value SET STATISTICS 0,
ALTER COLUMN old_value SET STATISTICS 0,
ALTER COLUMN setting SET STATISTICS 0;
ALTER TABLE privacy.platform_link
ALTER COLUMN failure_detail SET STATISTICS 0,
ALTER COLUMN label SET STATISTICS 0,
ALTER COLUMN unlink_reason SET STATISTICS 0;
ALTER TABLE privacy.proposal
ALTER COLUMN categories SET STATISTICS 0,
ALTER COLUMN labels SET STATISTICS 0,
ALTER COLUMN locale SET STATISTICS 0;
ALTER TABLE privacy.purged_snapshot
ALTER COLUMN change_hash SET STATISTICS 0;
ALTER TABLE privacy.recommendation_dismissal
ALTER COLUMN reason SET STATISTICS 0,
ALTER COLUMN recommended SET STATISTICS 0,
ALTER COLUMN setting SET STATISTICS 0,
ALTER COLUMN value SET STATISTICS 0;
ALTER TABLE privacy.rights_request
ALTER COLUMN details SET STATISTICS 0;
ALTER TABLE privacy.rights_request_event
ALTER COLUMN note SET STATISTICS 0;
ALTER TABLE privacy.setting_label
ALTER COLUMN description SET STATISTICS 0,
ALTER COLUMN label SET STATISTICS 0;
ALTER TABLE privacy.snapshot
ALTER COLUMN observed SET STATISTICS 0,
ALTER COLUMN packed SET STATISTICS 0;
ALTER TABLE privacy.template
ALTER COLUMN summary SET STATISTICS 0;
ALTER TABLE privacy.template_analysis
ALTER COLUMN review_reason SET STATISTICS 0;
ALTER TABLE privacy.template_setting
ALTER COLUMN description SET STATISTICS 0,
ALTER COLUMN direct_link SET STATISTICS 0,
ALTER COLUMN key SET STATISTICS 0,
ALTER COLUMN label SET STATISTICS 0;

-- What there is of them already.
SELECT pg_clear_attribute_stats(s.schemaname, s.tablename, s.attname, s.inherited)
FROM pg_stats AS s
JOIN pg_attribute AS a ON a.attrelid = format('%I.%I', s.schemaname, s.tablename)::regclass AND a.attname = s.attname
WHERE s.schemaname = 'privacy'
    AND a.attstattarget = 0;

UPDATE core.data_inventory AS i
SET class = v.class,
    reason = v.reason
FROM (VALUES
    ('privacy.recommendation_dismissal', 'sensitive', NULL),
    ('privacy.rights_request', 'personal', NULL),
    ('privacy.rights_request_event', 'personal', NULL)
) AS v (object, class, reason)
WHERE i.object = v.object
    AND i.column_name = 'reason';
