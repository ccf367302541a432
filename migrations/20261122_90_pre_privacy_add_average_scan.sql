-- Why:      how long a scan of a page takes on average tells curators which pages are hard to read.
-- Change:   privacy.template_usage.average_scan_milliseconds, and privacy.measure_template_usage() measures it.
-- Locks:    ACCESS EXCLUSIVE on privacy.template_usage for a moment: a handful of rows.
-- Data:     NULL until the job measures next, a quarter of an hour at most.
-- Old code: goes on; it does not read the column.
-- Rollback: drops the column; the function is as before.
-- depends: 20261121_44_pre_privacy_schedule_platform_link 20261122_02_pre_core_create_data_inventory

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

ALTER TABLE privacy.template_usage ADD COLUMN average_scan_milliseconds bigint;

COMMENT ON COLUMN privacy.template_usage.average_scan_milliseconds IS 'Of the last scans of the links that show the template; NULL when none said how long it took.';

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention)
VALUES ('privacy.template_usage', 'average_scan_milliseconds', 'shared', 'service', 'omit', 'keep', 'as long as the template');

CREATE OR REPLACE FUNCTION privacy.measure_template_usage() RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    INSERT INTO privacy.template_copy (template_id, content)
    SELECT s.template_id, jsonb_object_agg(
        s.key,
        jsonb_build_object(
            'label', s.label, 'description', s.description, 'category', coalesce(a.category, s.category), 'type', s.type,
            'options', s.options, 'default', s.default_value, 'recommended', coalesce(a.recommended, s.recommended),
            'risk', coalesce(a.risk, s.risk), 'directLink', coalesce(a.direct_link, s.direct_link), 'value', s.default_value
        )
    )::text
    FROM privacy.template_setting AS s
    LEFT JOIN privacy.setting_advice AS a ON a.template_id = s.template_id AND a.key = s.key
    GROUP BY s.template_id
    ON CONFLICT (template_id) DO UPDATE
    SET content = excluded.content
    WHERE template_copy.content <> excluded.content;

    INSERT INTO privacy.template_usage (
        template_id, measured_at, last_used_at, snapshots, people, snapshot_bytes, average_scan_milliseconds)
    SELECT s.template_id, now(), date_trunc('day', max(s.captured_at), 'UTC'), count(*), count(DISTINCT l.account_id),
        sum(pg_column_size(s.*))::bigint,
        -- A link knows how long its last scan took, whether that added a snapshot or confirmed one.
        round(avg(l.scan_milliseconds) FILTER (WHERE s.id = l.latest_snapshot_id))::bigint
    FROM privacy.snapshot AS s
    JOIN privacy.platform_link AS l ON l.workspace_id = s.workspace_id AND l.id = s.link_id
    GROUP BY s.template_id
    ON CONFLICT (template_id) DO UPDATE
    SET measured_at = excluded.measured_at,
        last_used_at = excluded.last_used_at,
        snapshots = excluded.snapshots,
        people = excluded.people,
        snapshot_bytes = excluded.snapshot_bytes,
        average_scan_milliseconds = excluded.average_scan_milliseconds;

    -- A purge may have taken the last snapshot of a template.
    DELETE FROM privacy.template_usage AS u
    WHERE u.measured_at < now();
END;
