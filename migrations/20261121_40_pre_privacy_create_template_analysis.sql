-- Why:      what a template's settings mean is worked out once, not for each person who has them.
-- Change:   privacy.template_analysis.
-- Locks:    SHARE ROW EXCLUSIVE on privacy.template and core.account while the foreign keys are added.
-- Data:     no rows are written.
-- Old code: nothing reads it yet.
-- Rollback: drops every analysis, with what it cost and who reviewed it.
-- depends: 20261120_22_pre_privacy_create_template 20261121_03_pre_core_create_plan

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow prefer-bigint-over-int: a prompt's version is counted by hand, and a model answers with far fewer tokens.
-- allow prefer-bigint-over-smallint: a score is at most 100.
CREATE TABLE privacy.template_analysis (
    id              uuid        NOT NULL DEFAULT uuidv7() CONSTRAINT template_analysis_pkey PRIMARY KEY,
    template_id     uuid        NOT NULL CONSTRAINT template_analysis_template_id_fkey REFERENCES privacy.template (id),
    reviewer_id     uuid        CONSTRAINT template_analysis_reviewer_id_fkey REFERENCES core.account (id) ON DELETE SET NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    reviewed_at     timestamptz,
    auto_approve_at timestamptz,
    duration_ms     bigint      NOT NULL CONSTRAINT template_analysis_duration_ms_range CHECK (duration_ms >= 0),
    input_tokens    bigint      CONSTRAINT template_analysis_input_tokens_range CHECK (input_tokens >= 0),
    output_tokens   bigint      CONSTRAINT template_analysis_output_tokens_range CHECK (output_tokens >= 0),
    cost_micros     bigint      CONSTRAINT template_analysis_cost_micros_range CHECK (cost_micros >= 0),
    prompt_version  integer     NOT NULL CONSTRAINT template_analysis_prompt_version_range CHECK (prompt_version >= 0),
    attempts        integer     NOT NULL DEFAULT 1 CONSTRAINT template_analysis_attempts_range CHECK (attempts >= 1),
    risk_score      smallint    CONSTRAINT template_analysis_risk_score_range CHECK (risk_score BETWEEN 0 AND 100),
    input_hash      bytea       NOT NULL CONSTRAINT template_analysis_input_hash_length CHECK (octet_length(input_hash) = 32),
    model           text        NOT NULL CONSTRAINT template_analysis_model_length CHECK (length(model) BETWEEN 1 AND 100),
    state           text        NOT NULL
        CONSTRAINT template_analysis_state_known CHECK (state IN ('PROPOSED', 'APPROVED', 'VETOED', 'FAILED')),
    failure         text        CONSTRAINT template_analysis_failure_known CHECK (failure IN (
        'TIMED_OUT', 'UNREACHABLE', 'RATE_LIMITED', 'PROVIDER_ERROR', 'UNAUTHORIZED', 'REJECTED', 'REFUSED', 'TOO_LARGE', 'MALFORMED',
        'HOSTILE')),
    currency        text        CONSTRAINT template_analysis_currency_form CHECK (currency ~ '^[A-Z]{3}$'),
    review_reason   text        CONSTRAINT template_analysis_review_reason_length CHECK (length(review_reason) <= 500),
    summary         text        NOT NULL CONSTRAINT template_analysis_summary_length CHECK (length(summary) <= 1200),
    recommendations text[]      NOT NULL CONSTRAINT template_analysis_recommendations_count CHECK (cardinality(recommendations) <= 10),
    categories      jsonb       NOT NULL
        CONSTRAINT template_analysis_categories_form CHECK (CASE jsonb_typeof(categories) WHEN 'array' THEN jsonb_array_length(categories) <= 40 ELSE false END),
    settings        jsonb       NOT NULL
        CONSTRAINT template_analysis_settings_form CHECK (CASE jsonb_typeof(settings) WHEN 'array' THEN jsonb_array_length(settings) <= 250 ELSE false END),
    CONSTRAINT template_analysis_template_id_model_prompt_version_key UNIQUE (template_id, model, prompt_version),
    CONSTRAINT template_analysis_failed_is_empty CHECK (
        (state = 'FAILED') = (failure IS NOT NULL) AND (state = 'FAILED') = (risk_score IS NULL) AND (state = 'FAILED') = (summary = '')),
    CONSTRAINT template_analysis_reviewed_has_time CHECK ((state IN ('APPROVED', 'VETOED')) = (reviewed_at IS NOT NULL)),
    CONSTRAINT template_analysis_cost_has_currency CHECK ((cost_micros IS NULL) = (currency IS NULL))
);

CREATE INDEX template_analysis_reviewer_id_idx ON privacy.template_analysis (reviewer_id);
-- Serves the job that approves what nobody objected to in time.
CREATE INDEX template_analysis_auto_approve_at_idx ON privacy.template_analysis (auto_approve_at) WHERE state = 'PROPOSED';

COMMENT ON TABLE privacy.template_analysis IS 'shared. What a template''s settings mean, by a model with a prompt, or by rules; read by workspaces whose plan has it once approved.';
COMMENT ON COLUMN privacy.template_analysis.input_hash IS 'sha256 of what was analyzed: settings with their advice, which may change. Then the analysis is made again, and reviewed again.';
COMMENT ON COLUMN privacy.template_analysis.model IS 'As its endpoint calls it; rules-<n> where no model was asked, with prompt version 0.';
COMMENT ON COLUMN privacy.template_analysis.attempts IS 'Attempts, failed ones included; duration, tokens and cost are of all of them, as far as known.';
COMMENT ON COLUMN privacy.template_analysis.cost_micros IS 'Millionths of the currency.';
COMMENT ON COLUMN privacy.template_analysis.reviewer_id IS 'NULL where nobody reviewed it, and where it was approved because nobody objected in time.';
COMMENT ON COLUMN privacy.template_analysis.categories IS '[{category, risk_score, insight}], checked by app/privacy/analyzer.py before it is written.';
COMMENT ON COLUMN privacy.template_analysis.settings IS '[{key, risk_score, impact, recommendation}], checked likewise.';

ALTER TABLE privacy.template_analysis ENABLE ROW LEVEL SECURITY;
ALTER TABLE privacy.template_analysis FORCE ROW LEVEL SECURITY;

-- What a limit of 0 means is said in core.plan_limit: not at all. Curators see what they are to review.
CREATE POLICY shared ON privacy.template_analysis FOR SELECT TO fivefold_api
USING (
    (
        state = 'APPROVED'
        AND NOT (SELECT EXISTS (
            SELECT
            FROM core.workspace AS w
            JOIN core.plan AS p ON p.slug = w.plan
            JOIN core.plan_limit AS l ON l.plan_id = p.id
            WHERE w.id = (SELECT core.current_workspace_id())
                AND l.name = 'privacy.analysis'
                AND l.amount = 0
        ))
    )
    OR (SELECT core.is_curator())
);
CREATE POLICY curator_update ON privacy.template_analysis FOR UPDATE TO fivefold_api
USING ((SELECT core.is_curator()));
-- allow always-true-policy: analyses belong to no workspace; the worker makes them, and approves what nobody objected to.
CREATE POLICY worker_all ON privacy.template_analysis TO fivefold_worker USING (true) WITH CHECK (true);
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON privacy.template_analysis TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT ON privacy.template_analysis TO fivefold_api;
GRANT UPDATE (state, reviewer_id, reviewed_at, review_reason) ON privacy.template_analysis TO fivefold_api;
GRANT SELECT, INSERT, UPDATE ON privacy.template_analysis TO fivefold_worker;

-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_insert AFTER INSERT ON privacy.template_analysis REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'id', 'id,template_id,model,prompt_version,input_hash,state,failure,reviewer_id,review_reason,risk_score,cost_micros,currency');
CREATE TRIGGER audit_update AFTER UPDATE ON privacy.template_analysis REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'id', 'id,template_id,model,prompt_version,input_hash,state,failure,reviewer_id,review_reason,risk_score,cost_micros,currency');
CREATE TRIGGER audit_delete AFTER DELETE ON privacy.template_analysis REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'id', 'id,template_id,model,prompt_version,input_hash,state,failure,reviewer_id,review_reason,risk_score,cost_micros,currency');
ALTER TABLE privacy.template_analysis ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE privacy.template_analysis ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE privacy.template_analysis ENABLE ALWAYS TRIGGER audit_delete;
