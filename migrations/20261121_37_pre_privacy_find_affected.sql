-- Why:      when a platform's page changes, everybody whom it concerns is told, and a curator may ask first how many that are.
-- Change:   privacy.affected_member() and privacy.count_affected().
-- Locks:    none on existing tables.
-- Data:     no rows are written.
-- Old code: nothing calls it yet.
-- Rollback: drops both functions.
-- depends: 20261121_30_pre_privacy_alter_template 20261120_25_pre_privacy_create_snapshot

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- Who has an active link on the template's platform that was last seen with another template: ids, and nothing of what was seen.
CREATE FUNCTION privacy.affected_member(of_template uuid)
RETURNS TABLE (workspace_id uuid, account_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    SELECT DISTINCT l.workspace_id, l.account_id
    FROM privacy.template AS t
    JOIN privacy.platform_link AS l ON l.platform_id = t.platform_id
    JOIN privacy.snapshot AS s ON s.workspace_id = l.workspace_id AND s.id = l.latest_snapshot_id
    WHERE t.id = affected_member.of_template
        AND l.status = 'ACTIVE'
        AND s.template_id <> t.id;
END;

-- How many these are, for a curator, and only from five people on: a smaller count is about somebody.
CREATE FUNCTION privacy.count_affected(of_template uuid)
RETURNS TABLE (people bigint, links bigint)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    SELECT c.people, c.links
    FROM (
        SELECT count(DISTINCT l.account_id) AS people, count(*) AS links
        FROM privacy.template AS t
        JOIN privacy.platform_link AS l ON l.platform_id = t.platform_id
        JOIN privacy.snapshot AS s ON s.workspace_id = l.workspace_id AND s.id = l.latest_snapshot_id
        WHERE t.id = count_affected.of_template
            AND t.shared_at IS NOT NULL
            AND l.status = 'ACTIVE'
            AND s.template_id <> t.id
    ) AS c
    WHERE c.people >= 5
        AND core.is_curator();
END;

REVOKE ALL ON FUNCTION privacy.affected_member(uuid), privacy.count_affected(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION privacy.affected_member(uuid) TO fivefold_worker;
GRANT EXECUTE ON FUNCTION privacy.count_affected(uuid) TO fivefold_api;
