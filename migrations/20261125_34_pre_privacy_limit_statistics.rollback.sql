SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

ALTER TABLE privacy.acknowledgement
ALTER COLUMN note SET STATISTICS DEFAULT,
ALTER COLUMN setting SET STATISTICS DEFAULT;
ALTER TABLE privacy.change
ALTER COLUMN new_value SET STATISTICS DEFAULT,
ALTER COLUMN old_value SET STATISTICS DEFAULT,
ALTER COLUMN setting SET STATISTICS DEFAULT;
ALTER TABLE privacy.platform_link
ALTER COLUMN failure_detail SET STATISTICS DEFAULT,
ALTER COLUMN label SET STATISTICS DEFAULT,
ALTER COLUMN unlink_reason SET STATISTICS DEFAULT;
ALTER TABLE privacy.proposal
ALTER COLUMN categories SET STATISTICS DEFAULT,
ALTER COLUMN labels SET STATISTICS DEFAULT,
ALTER COLUMN locale SET STATISTICS DEFAULT;
ALTER TABLE privacy.purged_snapshot
ALTER COLUMN change_hash SET STATISTICS DEFAULT;
ALTER TABLE privacy.recommendation_dismissal
ALTER COLUMN reason SET STATISTICS DEFAULT,
ALTER COLUMN recommended SET STATISTICS DEFAULT,
ALTER COLUMN setting SET STATISTICS DEFAULT,
ALTER COLUMN value SET STATISTICS DEFAULT;
ALTER TABLE privacy.rights_request
ALTER COLUMN details SET STATISTICS DEFAULT;
ALTER TABLE privacy.rights_request_event
ALTER COLUMN note SET STATISTICS DEFAULT;
ALTER TABLE privacy.setting_label
ALTER COLUMN description SET STATISTICS DEFAULT,
ALTER COLUMN label SET STATISTICS DEFAULT;
ALTER TABLE privacy.snapshot
ALTER COLUMN observed SET STATISTICS DEFAULT,
ALTER COLUMN packed SET STATISTICS DEFAULT;
ALTER TABLE privacy.template
ALTER COLUMN summary SET STATISTICS DEFAULT;
ALTER TABLE privacy.template_analysis
ALTER COLUMN review_reason SET STATISTICS DEFAULT;
ALTER TABLE privacy.template_setting
ALTER COLUMN description SET STATISTICS DEFAULT,
ALTER COLUMN direct_link SET STATISTICS DEFAULT,
ALTER COLUMN key SET STATISTICS DEFAULT,
ALTER COLUMN label SET STATISTICS DEFAULT;

UPDATE core.data_inventory AS i
SET class = v.class,
    reason = v.reason
FROM (VALUES
    ('privacy.recommendation_dismissal', 'technical', 'sensitive include delete'),
    ('privacy.rights_request', 'technical', 'personal include delete'),
    ('privacy.rights_request_event', 'technical', 'personal include delete')
) AS v (object, class, reason)
WHERE i.object = v.object
    AND i.column_name = 'reason';
