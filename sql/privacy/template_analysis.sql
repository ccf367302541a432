-- Analyses of templates: what their settings mean, once for everybody. Who sees which is said by the table's policies.
-- Table: privacy.template_analysis

-- name: edge_analyzed_category :edge
-- What each analysis says of categories, in its order.
SELECT k.position, c.category, c.risk_score, c.insight
FROM unnest(:analysis_ids::uuid[]) WITH ORDINALITY AS k (analysis_id, position)
JOIN privacy.template_analysis AS a ON a.id = k.analysis_id
CROSS JOIN LATERAL ROWS FROM (
    jsonb_to_recordset(a.categories) AS (category text, risk_score integer, insight text)
) WITH ORDINALITY AS c (category, risk_score, insight, place)
ORDER BY k.position, c.place;

-- name: edge_analyzed_setting :edge
-- What each analysis says of settings, in its order.
SELECT k.position, s.key, s.risk_score, s.impact, s.recommendation
FROM unnest(:analysis_ids::uuid[]) WITH ORDINALITY AS k (analysis_id, position)
JOIN privacy.template_analysis AS a ON a.id = k.analysis_id
CROSS JOIN LATERAL ROWS FROM (
    jsonb_to_recordset(a.settings) AS (key text, risk_score integer, impact text, recommendation text)
) WITH ORDINALITY AS s (key, risk_score, impact, recommendation, place)
ORDER BY k.position, s.place;

-- name: edge_approved_analysis :edge
-- The newest analysis of each template that was approved.
SELECT k.position, a.id, a.template_id, a.reviewer_id, a.created_at, a.reviewed_at, a.auto_approve_at, a.duration_ms, a.input_tokens,
    a.output_tokens, a.cost_micros, a.prompt_version, a.attempts, a.risk_score, a.input_hash, a.model, a.state, a.failure, a.currency,
    a.review_reason, a.summary, a.recommendations
FROM unnest(:template_ids::uuid[]) WITH ORDINALITY AS k (template_id, position)
CROSS JOIN LATERAL (
    SELECT *
    FROM privacy.template_analysis AS t
    WHERE t.template_id = k.template_id
        AND t.state = 'APPROVED'
    ORDER BY t.created_at DESC, t.id DESC
    LIMIT 1
) AS a;

-- name: edge_template_analysis :edge
-- For node(id) and mutations.
SELECT a.id, a.template_id, a.reviewer_id, a.created_at, a.reviewed_at, a.auto_approve_at, a.duration_ms, a.input_tokens,
    a.output_tokens, a.cost_micros, a.prompt_version, a.attempts, a.risk_score, a.input_hash, a.model, a.state, a.failure, a.currency,
    a.review_reason, a.summary, a.recommendations
FROM privacy.template_analysis AS a
WHERE a.id = ANY(:ids::uuid[]);

-- name: get_analysis_state :one
-- Whether there is an analysis by a model with a prompt, and of what, so that it is not asked again.
SELECT a.state, a.input_hash
FROM privacy.template_analysis AS a
WHERE a.template_id = :template_id
    AND a.model = :model
    AND a.prompt_version = :prompt_version;

-- name: get_analysis_subject :one
-- What is analyzed, if it was active once: before that it may be the text of one person.
SELECT t.id, p.name, p.domain
FROM privacy.template AS t
JOIN privacy.platform AS p ON p.id = t.platform_id
WHERE t.id = :template_id
    AND t.activated_at IS NOT NULL;

-- name: list_unanalyzed_template :many
-- Active templates that nobody and nothing has analyzed: their job was lost, or they were there before there were analyses.
SELECT t.id
FROM privacy.template AS t
WHERE t.state = 'ACTIVE'
    AND NOT EXISTS (
        SELECT
        FROM privacy.template_analysis AS a
        WHERE a.template_id = t.id
            AND a.state <> 'FAILED'
    )
ORDER BY t.id
LIMIT :limit;

-- name: list_withheld_word :many
-- Settings whose words came from people, of whom nobody consents that a model reads them: across workspaces, and keys alone.
SELECT w.key
FROM privacy.list_withheld_word(:template_id) AS w;

-- name: page_template_analysis :page
-- For curators: the newest first, of one template or in one state.
SELECT a.id, a.template_id, a.reviewer_id, a.created_at, a.reviewed_at, a.auto_approve_at, a.duration_ms, a.input_tokens,
    a.output_tokens, a.cost_micros, a.prompt_version, a.attempts, a.risk_score, a.input_hash, a.model, a.state, a.failure, a.currency,
    a.review_reason, a.summary, a.recommendations
FROM privacy.template_analysis AS a
WHERE a.id < :after_id
    AND a.template_id = :template_id  -- if :template_id
    AND a.state = :state  -- if :state
ORDER BY a.id DESC
LIMIT :limit;

-- name: update_analysis_review :one
-- A curator's word. What was vetoed stays so; what was approved may still be vetoed.
UPDATE privacy.template_analysis AS a
SET state = :state,
    reviewer_id = :account_id,
    reviewed_at = now(),
    review_reason = :reason
WHERE a.id = :id
    AND (a.state = 'PROPOSED' OR (a.state = 'APPROVED' AND :state = 'VETOED'))
RETURNING a.id, a.template_id, a.reviewer_id, a.created_at, a.reviewed_at, a.auto_approve_at, a.duration_ms, a.input_tokens,
    a.output_tokens, a.cost_micros, a.prompt_version, a.attempts, a.risk_score, a.input_hash, a.model, a.state, a.failure, a.currency,
    a.review_reason, a.summary, a.recommendations;

-- name: update_due_analysis :exec
-- Approves what nobody objected to in time.
UPDATE privacy.template_analysis AS a
SET state = 'APPROVED',
    reviewed_at = now()
WHERE a.state = 'PROPOSED'
    AND a.auto_approve_at <= now();

-- name: upsert_template_analysis :one
-- An analysis, or a failure. An analysis replaces a failure, and one of what has changed since; a failure replaces a failure.
-- What all attempts took is added up, but for costs in another currency.
INSERT INTO privacy.template_analysis AS a (
    template_id, model, prompt_version, input_hash, state, failure, risk_score, summary, recommendations, categories, settings,
    duration_ms, input_tokens, output_tokens, cost_micros, currency, auto_approve_at)
VALUES (
    :template_id, :model, :prompt_version, :input_hash, :state, :failure, :risk_score, :summary, :recommendations, :categories, :settings,
    :duration_ms, :input_tokens, :output_tokens, :cost_micros, :currency, now() + :approve_after::interval)
ON CONFLICT (template_id, model, prompt_version) DO UPDATE
SET input_hash = excluded.input_hash,
    state = excluded.state,
    failure = excluded.failure,
    risk_score = excluded.risk_score,
    summary = excluded.summary,
    recommendations = excluded.recommendations,
    categories = excluded.categories,
    settings = excluded.settings,
    created_at = now(),
    attempts = a.attempts + 1,
    duration_ms = a.duration_ms + excluded.duration_ms,
    input_tokens = coalesce(a.input_tokens + excluded.input_tokens, excluded.input_tokens, a.input_tokens),
    output_tokens = coalesce(a.output_tokens + excluded.output_tokens, excluded.output_tokens, a.output_tokens),
    cost_micros = coalesce(
        CASE WHEN a.currency = excluded.currency THEN a.cost_micros + excluded.cost_micros END, excluded.cost_micros, a.cost_micros),
    currency = coalesce(excluded.currency, a.currency),
    auto_approve_at = excluded.auto_approve_at,
    reviewer_id = NULL,
    reviewed_at = NULL,
    review_reason = NULL
WHERE a.state = 'FAILED'
    OR (excluded.state <> 'FAILED' AND a.input_hash <> excluded.input_hash)
RETURNING a.id;
