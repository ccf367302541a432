-- Why:      what is recommended, and how much a setting exposes, may be judged after its template is known.
-- Change:   privacy.seen_setting() reads privacy.setting_advice first; what nobody has judged exposes nobody.
-- Locks:    none on existing tables.
-- Data:     no rows are written.
-- Old code: goes on with the same columns.
-- Rollback: later judgements count no more.
-- depends: 20261121_34_pre_privacy_create_setting_advice 20261121_55_pre_privacy_create_seen_setting

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE OR REPLACE FUNCTION privacy.seen_setting(template_id uuid, packed bytea, observed bytea)
RETURNS TABLE (place smallint, risk smallint, exposes boolean, key text, category text, value text, recommended text)
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = ''
BEGIN ATOMIC
    SELECT s.position, coalesce(a.risk, s.risk),
        coalesce(a.risk, s.risk) > 0 AND CASE
            WHEN s.type = 'TOGGLE' THEN s.options[o.option] <> coalesce(a.recommended, s.recommended)
            ELSE o.option < array_position(s.options, coalesce(a.recommended, s.recommended))
        END,
        s.key, coalesce(a.category, s.category), s.options[o.option], coalesce(a.recommended, s.recommended)
    FROM privacy.template_setting AS s
    LEFT JOIN privacy.setting_advice AS a ON a.template_id = s.template_id AND a.key = s.key
    LEFT JOIN (
        SELECT get_byte(seen_setting.packed, 2 * pair) AS position, get_byte(seen_setting.packed, 2 * pair + 1) + 1 AS option
        FROM generate_series(0, octet_length(seen_setting.packed) / 2 - 1) AS pair
    ) AS p ON p.position = s.position
    CROSS JOIN LATERAL (SELECT coalesce(p.option, array_position(s.options, s.default_value)) AS option) AS o
    WHERE s.template_id = seen_setting.template_id
        AND (seen_setting.observed IS NULL OR get_bit(seen_setting.observed, s.position::bigint) = 1);
END;
