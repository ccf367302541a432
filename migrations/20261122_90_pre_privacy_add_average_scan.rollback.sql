SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DELETE FROM core.data_inventory AS i WHERE i.object = 'privacy.template_usage' AND i.column_name = 'average_scan_milliseconds';

-- A function with ON CONFLICT depends on every column of the table that there is when it is made.
DROP FUNCTION privacy.measure_template_usage();

-- allow ban-drop-column: reverses its own migration.
ALTER TABLE privacy.template_usage DROP COLUMN average_scan_milliseconds;

CREATE FUNCTION privacy.measure_template_usage() RETURNS void
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

    INSERT INTO privacy.template_usage (template_id, measured_at, last_used_at, snapshots, people, snapshot_bytes)
    SELECT s.template_id, now(), date_trunc('day', max(s.captured_at), 'UTC'), count(*), count(DISTINCT l.account_id),
        sum(pg_column_size(s.*))::bigint
    FROM privacy.snapshot AS s
    JOIN privacy.platform_link AS l ON l.workspace_id = s.workspace_id AND l.id = s.link_id
    GROUP BY s.template_id
    ON CONFLICT (template_id) DO UPDATE
    SET measured_at = excluded.measured_at,
        last_used_at = excluded.last_used_at,
        snapshots = excluded.snapshots,
        people = excluded.people,
        snapshot_bytes = excluded.snapshot_bytes;

    -- A purge may have taken the last snapshot of a template.
    DELETE FROM privacy.template_usage AS u
    WHERE u.measured_at < now();
END;

REVOKE ALL ON FUNCTION privacy.measure_template_usage() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION privacy.measure_template_usage() TO fivefold_worker;
