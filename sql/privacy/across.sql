-- Statements that look across workspaces, run by the worker. Each says why.

-- name: list_affected_member :many
-- A page that changed concerns people of all workspaces; what comes back is who, and nothing of what was seen.
SELECT a.workspace_id, a.account_id
FROM privacy.affected_member(:template_id) AS a;

-- name: measure_template_usage :exec
-- How much a template is used can only be counted over all workspaces; nothing but counts is kept.
SELECT privacy.measure_template_usage();

-- name: update_acknowledgement_of_template :one
-- A platform that changed a setting's default, recommendation or options did so to everybody who had acknowledged a change of it.
-- What is not known, or not judged, has not changed. So many at a time; what somebody else holds just now is left to the next time.
WITH due AS (
    SELECT a.workspace_id, a.snapshot_id, a.setting
    FROM privacy.template AS t
    JOIN privacy.platform_link AS l ON l.platform_id = t.platform_id
    JOIN privacy.acknowledgement AS a ON a.workspace_id = l.workspace_id AND a.link_id = l.id
    JOIN privacy.snapshot AS s ON s.workspace_id = a.workspace_id AND s.id = a.snapshot_id
    JOIN privacy.template_setting AS old ON old.template_id = s.template_id AND old.key = a.setting
    LEFT JOIN privacy.setting_advice AS judged ON judged.template_id = old.template_id AND judged.key = old.key
    LEFT JOIN privacy.template_setting AS now ON now.template_id = t.id AND now.key = a.setting
    LEFT JOIN privacy.setting_advice AS rejudged ON rejudged.template_id = now.template_id AND rejudged.key = now.key
    WHERE t.id = :template_id
        AND t.state = 'ACTIVE'
        AND a.reopened_at IS NULL
        AND a.acknowledged_at < t.activated_at
        AND (
            now.key IS NULL
            OR old.options <> now.options
            OR (old.default_known AND now.default_known AND old.default_value <> now.default_value)
            OR (
                coalesce(judged.risk, old.risk) > 0
                AND coalesce(rejudged.risk, now.risk) > 0
                AND coalesce(judged.recommended, old.recommended) <> coalesce(rejudged.recommended, now.recommended)
            )
        )
    LIMIT :limit
    FOR UPDATE OF a SKIP LOCKED
),
done AS (
    UPDATE privacy.acknowledgement AS a
    SET reopened_at = now(),
        reopen_reason = 'TEMPLATE'
    FROM due AS d
    WHERE a.workspace_id = d.workspace_id
        AND a.snapshot_id = d.snapshot_id
        AND a.setting = d.setting
    RETURNING a.setting
)
SELECT count(*) AS count
FROM done;
