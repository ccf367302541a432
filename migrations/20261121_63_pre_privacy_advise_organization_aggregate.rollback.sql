SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- Figures of the caller's organization, for its owners, admins and auditors; no row for anybody else, and none that is made of
-- fewer than five people. A person counts once, however many links: the mean of means. Scores are rounded to 5 points and
-- coverage to 5 hundredths, so that what one more person changes does not tell that person's score. How many share an exposure
-- is told in two bands that both allow for somebody who does not, and the order of exposures does not depend on it.
CREATE OR REPLACE FUNCTION privacy.organization_aggregate(categories text[], groups text[])
RETURNS TABLE (people bigint, platform_id uuid, coverage float8, score integer, part text, name text, share text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    WITH link AS MATERIALIZED (
        SELECT l.account_id, l.id, l.platform_id, s.risk_score, s.packed, s.observed, s.id IS NOT NULL AS scanned,
            coalesce(t.id, a.id) AS template_id, coalesce(t.setting_count, a.setting_count) AS settings,
            CASE WHEN s.id IS NULL THEN 0 ELSE coalesce(bit_count(s.observed), t.setting_count) END AS seen
        FROM privacy.platform_link AS l
        LEFT JOIN privacy.snapshot AS s ON s.workspace_id = l.workspace_id AND s.id = l.latest_snapshot_id
        LEFT JOIN privacy.template AS t ON t.id = s.template_id
        LEFT JOIN privacy.template AS a ON a.platform_id = l.platform_id AND a.state = 'ACTIVE'
        WHERE l.workspace_id = core.current_workspace_id()
            AND l.status = 'ACTIVE'
            AND EXISTS (
                SELECT
                FROM core.member AS m
                JOIN core.workspace AS w ON w.id = m.workspace_id
                WHERE m.workspace_id = core.current_workspace_id()
                    AND m.account_id = core.current_account_id()
                    AND m.role IN ('owner', 'admin', 'auditor')
                    AND w.kind = 'organization'
            )
    ),
    setting AS MATERIALIZED (
        SELECT l.account_id, l.id AS link_id, l.platform_id, t.position, t.key, t.risk, coalesce(g.name, 'OTHER') AS group_name
        FROM link AS l
        JOIN privacy.template_setting AS t ON t.template_id = l.template_id
        LEFT JOIN unnest(categories, groups) AS g (category, name) ON g.category = t.category
    ),
    seen AS MATERIALIZED (
        SELECT l.id AS link_id, v.place, v.exposes
        FROM link AS l
        CROSS JOIN LATERAL privacy.seen_setting(l.template_id, l.packed, l.observed) AS v
        WHERE l.scanned
    ),
    person AS (
        SELECT avg(l.risk_score) AS score, sum(l.seen)::float8 / nullif(sum(l.settings), 0) AS coverage
        FROM link AS l
        GROUP BY l.account_id
        HAVING count(l.risk_score) > 0
    ),
    person_on_platform AS (
        SELECT l.platform_id, avg(l.risk_score) AS score, sum(l.seen)::float8 / nullif(sum(l.settings), 0) AS coverage
        FROM link AS l
        GROUP BY l.platform_id, l.account_id
        HAVING count(l.risk_score) > 0
    ),
    link_in_group AS (
        SELECT s.account_id, s.group_name, count(*) AS settings, count(v.link_id) AS seen,
            (200 * coalesce(sum(s.risk) FILTER (WHERE v.exposes), 0) + sum(s.risk) FILTER (WHERE v.link_id IS NOT NULL))
                / (2 * sum(s.risk) FILTER (WHERE v.link_id IS NOT NULL)) AS score
        FROM setting AS s
        LEFT JOIN seen AS v ON v.link_id = s.link_id AND v.place = s.position
        GROUP BY s.account_id, s.link_id, s.group_name
    ),
    person_in_group AS (
        SELECT i.group_name, avg(i.score) AS score, sum(i.seen)::float8 / sum(i.settings)::float8 AS coverage
        FROM link_in_group AS i
        GROUP BY i.account_id, i.group_name
        HAVING count(i.score) > 0
    ),
    exposure AS (
        SELECT s.platform_id, s.key, max(s.risk) AS risk, count(DISTINCT s.account_id) AS people,
            count(DISTINCT s.account_id) FILTER (WHERE v.exposes) AS exposed
        FROM setting AS s
        JOIN seen AS v ON v.link_id = s.link_id AND v.place = s.position
        GROUP BY s.platform_id, s.key
    ),
    top_exposure AS (
        SELECT e.platform_id, e.key, CASE WHEN 5 * e.exposed >= 4 * e.people THEN 'MOST' ELSE 'MANY' END AS share
        FROM exposure AS e
        WHERE e.people >= 5
            AND 2 * e.exposed >= e.people
        ORDER BY e.risk DESC, e.platform_id, e.key
        LIMIT 10
    )
    SELECT count(*), NULL::uuid, round(20 * avg(p.coverage)) / 20, 5 * round(avg(p.score) / 5)::integer, 'ALL', NULL::text, NULL::text
    FROM person AS p
    HAVING count(*) >= 5
    UNION ALL
    SELECT count(*), NULL, round(20 * avg(p.coverage)) / 20, 5 * round(avg(p.score) / 5)::integer, 'GROUP', p.group_name, NULL
    FROM person_in_group AS p
    GROUP BY p.group_name
    HAVING count(*) >= 5
    UNION ALL
    SELECT count(*), p.platform_id, round(20 * avg(p.coverage)) / 20, 5 * round(avg(p.score) / 5)::integer, 'PLATFORM', NULL, NULL
    FROM person_on_platform AS p
    GROUP BY p.platform_id
    HAVING count(*) >= 5
    UNION ALL
    SELECT NULL, e.platform_id, NULL, NULL, 'EXPOSURE', e.key, e.share
    FROM top_exposure AS e;
END;
