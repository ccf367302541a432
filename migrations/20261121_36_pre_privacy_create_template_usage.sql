-- Why:      how much a template is used, and what sharing it saves, is measured in all workspaces and told of enough people only.
-- Change:   privacy.template_usage, privacy.template_copy and privacy.measure_template_usage().
-- Locks:    SHARE ROW EXCLUSIVE on privacy.template while the foreign keys are added.
-- Data:     no rows are written; the job privacy.usage fills them.
-- Old code: nothing reads it yet.
-- Rollback: drops what was measured; it can be measured again.
-- depends: 20261121_34_pre_privacy_create_setting_advice 20261120_25_pre_privacy_create_snapshot

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE privacy.template_usage (
    template_id    uuid        NOT NULL CONSTRAINT template_usage_pkey PRIMARY KEY
        CONSTRAINT template_usage_template_id_fkey REFERENCES privacy.template (id),
    measured_at    timestamptz NOT NULL,
    last_used_at   timestamptz NOT NULL,
    snapshots      bigint      NOT NULL,
    people         bigint      NOT NULL,
    snapshot_bytes bigint      NOT NULL
);

COMMENT ON TABLE privacy.template_usage IS 'shared. Counts over all workspaces, measured by a job; of few people they are nobody''s to read.';
COMMENT ON COLUMN privacy.template_usage.last_used_at IS 'The day of the last capture, in UTC: a moment would be one person''s.';
COMMENT ON COLUMN privacy.template_usage.snapshot_bytes IS 'What the rows of its snapshots hold, as stored, without indexes.';

ALTER TABLE privacy.template_usage ENABLE ROW LEVEL SECURITY;
ALTER TABLE privacy.template_usage FORCE ROW LEVEL SECURITY;

CREATE POLICY shared ON privacy.template_usage FOR SELECT TO fivefold_api, fivefold_worker
USING (people >= 5 AND (SELECT t.id FROM privacy.template AS t WHERE t.id = template_id) IS NOT NULL);
-- allow always-true-policy: without it the owner's function below would write no row.
CREATE POLICY owner ON privacy.template_usage TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT ON privacy.template_usage TO fivefold_api, fivefold_worker;

CREATE TABLE privacy.template_copy (
    template_id uuid NOT NULL CONSTRAINT template_copy_pkey PRIMARY KEY
        CONSTRAINT template_copy_template_id_fkey REFERENCES privacy.template (id),
    content     text NOT NULL
);

COMMENT ON TABLE privacy.template_copy IS 'shared. What one full copy of the settings would be, had every scan to store one: kept to be measured as PostgreSQL stores it.';
COMMENT ON COLUMN privacy.template_copy.content IS 'JSON text with defaults for values; no person''s.';

ALTER TABLE privacy.template_copy ENABLE ROW LEVEL SECURITY;
ALTER TABLE privacy.template_copy FORCE ROW LEVEL SECURITY;

CREATE POLICY shared ON privacy.template_copy FOR SELECT TO fivefold_api, fivefold_worker
USING ((SELECT t.id FROM privacy.template AS t WHERE t.id = template_id) IS NOT NULL);
-- allow always-true-policy: without it the owner's function below would write no row.
CREATE POLICY owner ON privacy.template_copy TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT ON privacy.template_copy TO fivefold_api, fivefold_worker;

-- Counts are of all workspaces, which no login role may look into; nothing but counts is kept.
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
