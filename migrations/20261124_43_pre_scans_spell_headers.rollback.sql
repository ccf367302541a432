SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE OR REPLACE FUNCTION scans.holds_headers_only(headers jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = ''
RETURN CASE pg_catalog.jsonb_typeof(headers)
    WHEN 'object' THEN pg_catalog.octet_length(headers::text) <= 8192 AND NOT EXISTS (
        SELECT
        FROM pg_catalog.jsonb_each(headers) AS h (name, value)
        WHERE pg_catalog.jsonb_typeof(h.value) <> 'string'
            OR pg_catalog.length(h.value #>> '{}') > 2000
            OR h.name <> ALL (ARRAY[
                'access-control-allow-origin', 'cache-control', 'content-disposition', 'content-encoding', 'content-security-
                policy', 'content-security-policy-report-only', 'content-type', 'cross-origin-embedder-policy', 'cross-origin-
                opener-policy', 'cross-origin-resource-policy', 'location', 'permissions-policy', 'referrer-policy',
                'refresh', 'server', 'strict-transport-security', 'www-authenticate', 'x-content-type-options', 'x-frame-
                options', 'x-powered-by', 'x-robots-tag', 'x-xss-protection'
            ])
    )
    ELSE false
END;
