-- Why:      who proposed a structure can only be counted across workspaces, which no login role may look into.
-- Change:   privacy.propose_template().
-- Locks:    none on existing tables.
-- Data:     no rows are written.
-- Old code: nothing calls it yet.
-- Rollback: nobody can propose until it is applied again.
-- depends: 20261121_33_pre_privacy_create_setting_label 20261121_34_pre_privacy_create_setting_advice

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- Submits a structure for whoever the transaction declared. What it does for others with the same structure stays inside: the
-- id is made of the structure, so the first to propose it and the second are told the same.
-- Locks are taken in the order of an activation: the platform, then the template. Counting under the template's lock, the last
-- of several at once sees all of them; without it each sees itself only, and the template is never shared.
CREATE FUNCTION privacy.propose_template(
    on_platform uuid, made_id uuid, of_structure bytea, with_settings jsonb, in_locale text, with_labels jsonb, with_categories jsonb,
    people bigint, open_at_most bigint, told text
)
RETURNS TABLE (template_id uuid, outcome text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ''
AS $$
#variable_conflict use_column
DECLARE
    platform privacy.platform;
    found_id uuid;
    is_open  boolean;
    is_file  boolean;
    result   text := 'KNOWN';
    active   uuid;
BEGIN
    SELECT * INTO STRICT platform FROM privacy.platform AS p WHERE p.id = on_platform FOR NO KEY UPDATE;

    SELECT t.id, false, t.file_version IS NOT NULL, CASE t.state WHEN 'REJECTED' THEN 'REJECTED' ELSE 'KNOWN' END
    INTO found_id, is_open, is_file, result
    FROM privacy.template AS t
    WHERE t.platform_id = on_platform AND t.structure_hash = of_structure AND t.shared_at IS NOT NULL
    ORDER BY t.state = 'ACTIVE' DESC, t.activated_at IS NOT NULL DESC, t.version DESC
    LIMIT 1;
    IF result = 'REJECTED' THEN
        RETURN QUERY SELECT found_id, result;
        RETURN;
    END IF;

    IF found_id IS NULL THEN
        found_id := made_id;
        is_open := true;
        is_file := false;
        result := 'QUARANTINED';
        INSERT INTO privacy.template (id, platform_id, shared_at, setting_count, structure_hash, state, summary)
        VALUES (made_id, on_platform, NULL, jsonb_array_length(with_settings), of_structure, 'PROPOSED', '')
        ON CONFLICT (id) DO NOTHING;
        INSERT INTO privacy.template_setting (
            template_id, position, risk, default_known, key, type, category, label, description, options, default_value, recommended, direct_link)
        SELECT
            made_id, s.position - 1, 0, false, s.value ->> 'key', s.value ->> 'type', 'other',
            upper(left(s.value ->> 'key', 1)) || substr(replace(s.value ->> 'key', '_', ' '), 2), '',
            o.options, o.options[1], o.options[cardinality(o.options)], platform.privacy_url
        FROM jsonb_array_elements(with_settings) WITH ORDINALITY AS s (value, position)
        CROSS JOIN LATERAL (
            SELECT array_agg(e.value ORDER BY e.place) AS options
            FROM jsonb_array_elements_text(s.value -> 'options') WITH ORDINALITY AS e (value, place)
        ) AS o
        ON CONFLICT DO NOTHING;
        PERFORM FROM privacy.template AS t WHERE t.id = found_id FOR NO KEY UPDATE;
    END IF;

    -- So many proposals of one workspace may wait on one platform; of what is known, so many languages.
    IF (
        SELECT count(*)
        FROM privacy.proposal AS p
        JOIN privacy.template AS t ON t.id = p.template_id
        WHERE p.workspace_id = core.current_workspace_id()
            AND (p.template_id, p.account_id, p.locale) IS DISTINCT FROM (found_id, core.current_account_id(), in_locale)
            AND CASE WHEN is_open THEN t.platform_id = on_platform AND t.shared_at IS NULL ELSE t.id = found_id END
    ) >= open_at_most THEN
        RETURN QUERY SELECT found_id, 'FULL';
        RETURN;
    END IF;

    INSERT INTO privacy.proposal (workspace_id, account_id, template_id, locale, labels, categories)
    VALUES (core.current_workspace_id(), core.current_account_id(), found_id, in_locale, with_labels, with_categories)
    ON CONFLICT ON CONSTRAINT proposal_submitter_key DO UPDATE
    SET labels = excluded.labels,
        categories = excluded.categories;

    IF is_open AND (SELECT count(DISTINCT p.account_id) FROM privacy.proposal AS p WHERE p.template_id = found_id) >= people THEN
        SELECT t.id INTO active FROM privacy.template AS t WHERE t.platform_id = on_platform AND t.state = 'ACTIVE';
        UPDATE privacy.template AS t
        SET shared_at = now(),
            created_at = now(),
            summary = told,
            version = (SELECT coalesce(max(v.version), 0) + 1 FROM privacy.template AS v WHERE v.platform_id = on_platform)
        WHERE t.id = found_id;
        -- What was known of a setting goes on where the same setting goes on.
        INSERT INTO privacy.setting_advice (template_id, risk, key, source, recommended, category, direct_link)
        SELECT
            n.template_id, coalesce(a.risk, o.risk), n.key, 'CARRIED', coalesce(a.recommended, o.recommended),
            coalesce(a.category, o.category), coalesce(a.direct_link, o.direct_link)
        FROM privacy.template_setting AS n
        JOIN privacy.template_setting AS o ON o.template_id = active AND o.key = n.key AND o.type = n.type AND o.options = n.options
        LEFT JOIN privacy.setting_advice AS a ON a.template_id = o.template_id AND a.key = o.key
        WHERE n.template_id = found_id;
        INSERT INTO privacy.setting_label (template_id, key, locale, source, label, description)
        SELECT n.template_id, n.key, w.locale, 'CARRIED', w.label, w.description
        FROM privacy.template_setting AS n
        JOIN privacy.template_setting AS o ON o.template_id = active AND o.key = n.key AND o.type = n.type AND o.options = n.options
        CROSS JOIN LATERAL (
            SELECT l.locale, l.label, l.description
            FROM privacy.setting_label AS l
            WHERE l.template_id = o.template_id AND l.key = o.key
            UNION ALL
            SELECT 'en', o.label, o.description
            WHERE NOT EXISTS (
                SELECT FROM privacy.setting_label AS l WHERE l.template_id = o.template_id AND l.key = o.key AND l.locale = 'en'
            )
        ) AS w
        WHERE n.template_id = found_id;
        result := 'SHARED';
        IF platform.frozen_at IS NULL THEN
            UPDATE privacy.template AS t SET state = 'RETIRED' WHERE t.id = active;
            UPDATE privacy.template AS t SET state = 'ACTIVE', activated_at = now() WHERE t.id = found_id;
            result := 'ACTIVATED';
        END IF;
    END IF;

    -- Words of one person may hold what is theirs: they become everybody's when enough people sent the very same.
    INSERT INTO privacy.setting_label AS l (template_id, key, locale, source, label, description)
    SELECT DISTINCT ON (w.key) found_id, w.key, in_locale, 'AGREED', w.value, ''
    FROM privacy.proposal AS p
    CROSS JOIN LATERAL jsonb_each_text(p.labels) AS w
    WHERE p.template_id = found_id
        AND p.locale = in_locale
        AND NOT (is_file AND split_part(in_locale, '-', 1) = 'en')
    GROUP BY w.key, w.value
    HAVING count(DISTINCT p.account_id) >= people
    ORDER BY w.key, count(DISTINCT p.account_id) DESC, w.value
    ON CONFLICT ON CONSTRAINT setting_label_pkey DO UPDATE
    SET label = excluded.label,
        source = 'AGREED'
    WHERE l.source = 'CARRIED' AND l.label <> excluded.label;

    INSERT INTO privacy.setting_advice (template_id, risk, key, source, recommended, category, direct_link)
    SELECT DISTINCT ON (s.key) found_id, s.risk, s.key, 'AGREED', s.recommended, w.value, s.direct_link
    FROM privacy.proposal AS p
    CROSS JOIN LATERAL jsonb_each_text(p.categories) AS w
    JOIN privacy.template_setting AS s ON s.template_id = p.template_id AND s.key = w.key
    WHERE p.template_id = found_id
        AND NOT is_file
    GROUP BY s.key, w.value, s.risk, s.recommended, s.direct_link
    HAVING count(DISTINCT p.account_id) >= people
    ORDER BY s.key, count(DISTINCT p.account_id) DESC, w.value
    ON CONFLICT ON CONSTRAINT setting_advice_pkey DO NOTHING;

    RETURN QUERY SELECT found_id, result;
END
$$;

REVOKE ALL ON FUNCTION privacy.propose_template(uuid, uuid, bytea, jsonb, text, jsonb, jsonb, bigint, bigint, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION privacy.propose_template(uuid, uuid, bytea, jsonb, text, jsonb, jsonb, bigint, bigint, text) TO fivefold_api;
