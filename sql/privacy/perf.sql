-- Perf: made-up people in any number, to measure with. Run by the operator, for many workspaces at once.

-- name: get_perf_count :one
-- Those that are there, so that more can be added.
SELECT count(*) AS people
FROM core.account AS a
WHERE a.email LIKE 'perf-%@example.invalid';

-- name: insert_perf_accounts :many
-- Accounts as insert_account makes them, with a plan that limits nothing.
WITH account AS (
    INSERT INTO core.account (email, display_name, locale, time_zone)
    SELECT 'perf-' || n.number || '@example.invalid', 'Perf ' || n.number, 'en', 'UTC'
    FROM unnest(:numbers::bigint[]) AS n (number)
    RETURNING id, display_name
),
identity AS (
    INSERT INTO core.identity (account_id, issuer, subject)
    SELECT a.id, :issuer, a.id::text
    FROM account AS a
),
workspace AS (
    INSERT INTO core.workspace (kind, name, personal_account_id, plan)
    SELECT 'personal', a.display_name, a.id, 'enterprise'
    FROM account AS a
    RETURNING id, personal_account_id
),
member AS (
    INSERT INTO core.member (workspace_id, account_id, role)
    SELECT w.id, w.personal_account_id, 'owner'
    FROM workspace AS w
    RETURNING account_id, workspace_id
)
SELECT m.account_id, m.workspace_id
FROM member AS m;

-- name: insert_perf_links :exec
-- Their accounts on platforms, the scans of these, every value of which was seen, and one change in each scan but the first. In one
-- statement, because links point to their latest scan and scans to their link: foreign keys are checked at its end.
WITH link AS (
    INSERT INTO privacy.platform_link (
        workspace_id, id, account_id, platform_id, label, linked_at, latest_snapshot_id, seen_until)
    SELECT l.workspace_id, l.id, l.account_id, l.platform_id, l.label, :linked_at, l.latest_snapshot_id, l.seen_until
    FROM unnest(
        :workspace_ids::uuid[], :ids::uuid[], :account_ids::uuid[], :platform_ids::uuid[], :labels::text[],
        :latest_snapshot_ids::uuid[], :seen_until::timestamptz[])
        AS l (workspace_id, id, account_id, platform_id, label, latest_snapshot_id, seen_until)
),
snapshot AS (
    INSERT INTO privacy.snapshot (
        workspace_id, id, link_id, template_id, captured_at, scan_method, config_version, risk_score, risk_formula, confidence, packed)
    SELECT s.workspace_id, s.id, s.link_id, s.template_id, s.captured_at, 1, 1, s.risk_score, :risk_formula, 1, s.packed
    FROM unnest(
        :scanned_workspace_ids::uuid[], :snapshot_ids::uuid[], :link_ids::uuid[], :template_ids::uuid[], :moments::timestamptz[],
        :risk_scores::smallint[], :packed::bytea[])
        AS s (workspace_id, id, link_id, template_id, captured_at, risk_score, packed)
)
INSERT INTO privacy.change (workspace_id, snapshot_id, setting, old_value, new_value, origin, significance, confidence)
SELECT c.workspace_id, c.snapshot_id, c.setting, c.old_value, c.new_value, 'USER', 'VALUE', 0.8
FROM unnest(
    :changed_workspace_ids::uuid[], :changed_snapshot_ids::uuid[], :settings::text[], :old_values::text[], :new_values::text[])
    AS c (workspace_id, snapshot_id, setting, old_value, new_value);
