SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE OR REPLACE FUNCTION privacy.seen_setting(template_id uuid, packed bytea, observed bytea)
RETURNS TABLE (place smallint, risk smallint, exposes boolean, key text, category text, value text, recommended text)
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = ''
BEGIN ATOMIC
    SELECT s.position, s.risk,
        CASE
            WHEN s.type = 'TOGGLE' THEN s.options[o.option] <> s.recommended
            ELSE o.option < array_position(s.options, s.recommended)
        END,
        s.key, s.category, s.options[o.option], s.recommended
    FROM privacy.template_setting AS s
    LEFT JOIN (
        SELECT get_byte(seen_setting.packed, 2 * pair) AS position, get_byte(seen_setting.packed, 2 * pair + 1) + 1 AS option
        FROM generate_series(0, octet_length(seen_setting.packed) / 2 - 1) AS pair
    ) AS p ON p.position = s.position
    CROSS JOIN LATERAL (SELECT coalesce(p.option, array_position(s.options, s.default_value)) AS option) AS o
    WHERE s.template_id = seen_setting.template_id
        AND (seen_setting.observed IS NULL OR get_bit(seen_setting.observed, s.position::bigint) = 1);
END;
