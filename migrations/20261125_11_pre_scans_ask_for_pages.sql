-- Why:      words of pages go to a model that somebody else runs only where who asked for the scan consents; what it took is told.
-- Change:   the purpose page_analysis; NO_CONSENT among what is not looked at; four columns of scans.scan_result.
-- Locks:    ACCESS EXCLUSIVE on scans.scan_result and scans.engine_verdict for a moment.
-- Data:     one row of core.consent_purpose, and the rows of the inventory; no row of a scan is read.
-- Old code: goes on, and asks for no consent.
-- Rollback: fails while somebody consented to it, or a scan says NO_CONSENT: that there was a consent is kept.
-- depends: 20261125_10_pre_scans_bound_lists 20261123_41_pre_core_create_consent 20261124_62_pre_core_end_consents 20261124_30_pre_scans_create_scan_result 20261124_31_pre_scans_create_engine_verdict

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

INSERT INTO core.consent_purpose (slug, version, title, text, valid_from) VALUES (
    'page_analysis',
    1,
    'Pages that you have scanned, for an outside model',
    'A model that somebody else runs may judge pages that you have scanned: it is shown the title, the headings and the first words '
    'of the page, and the name of its host. It is told neither who you are nor the rest of the address. Without your consent your '
    'scans are judged by rules alone. You can withdraw at any time; scans that begin after that are not shown to it.',
    now()
);

ALTER TABLE scans.scan_result
ADD COLUMN model_input_tokens bigint CONSTRAINT scan_result_model_input_tokens_not_negative CHECK (model_input_tokens >= 0),
ADD COLUMN model_output_tokens bigint CONSTRAINT scan_result_model_output_tokens_not_negative CHECK (model_output_tokens >= 0),
ADD COLUMN model_cost_micros bigint CONSTRAINT scan_result_model_cost_not_negative CHECK (model_cost_micros >= 0),
ADD COLUMN model_currency text CONSTRAINT scan_result_model_currency_form CHECK (model_currency ~ '^[A-Z]{3}$');

COMMENT ON COLUMN scans.scan_result.model_cost_micros IS 'Millionths of the currency; NULL where no price is known.';

-- allow ban-drop-constraint: a wider one takes its place in the same transaction.
ALTER TABLE scans.scan_result DROP CONSTRAINT scan_result_unchecked_known;
ALTER TABLE scans.scan_result ADD CONSTRAINT scan_result_unchecked_known CHECK (unchecked <@ ARRAY[
    'UNREACHABLE', 'REFUSED_ADDRESS', 'ERROR_ANSWER', 'ACCESS_DENIED', 'NOT_A_PAGE', 'TRUNCATED', 'TOO_DEEP',
    'EMPTY', 'MADE_BY_SCRIPTS', 'LEADS_ELSEWHERE', 'SCRIPTS_NOT_RUN', 'NO_TLS_FACTS', 'NO_REDIRECTS',
    'HOST_NOT_PUBLIC', 'FEED_MISSING', 'FEED_OLD', 'NO_MODEL', 'MODEL_FAILED', 'NO_CONSENT'
]) NOT VALID;
-- allow constraint-missing-not-valid: it is wider than the one that all rows satisfy.
ALTER TABLE scans.scan_result VALIDATE CONSTRAINT scan_result_unchecked_known;

-- allow ban-drop-constraint: as above.
ALTER TABLE scans.engine_verdict DROP CONSTRAINT engine_verdict_unchecked_known;
ALTER TABLE scans.engine_verdict ADD CONSTRAINT engine_verdict_unchecked_known CHECK (unchecked IN (
    'UNREACHABLE', 'REFUSED_ADDRESS', 'ERROR_ANSWER', 'ACCESS_DENIED', 'NOT_A_PAGE', 'TRUNCATED', 'TOO_DEEP',
    'EMPTY', 'MADE_BY_SCRIPTS', 'LEADS_ELSEWHERE', 'SCRIPTS_NOT_RUN', 'NO_TLS_FACTS', 'NO_REDIRECTS',
    'HOST_NOT_PUBLIC', 'FEED_MISSING', 'FEED_OLD', 'NO_MODEL', 'MODEL_FAILED', 'NO_CONSENT'
)) NOT VALID;
-- allow constraint-missing-not-valid: as above.
ALTER TABLE scans.engine_verdict VALIDATE CONSTRAINT engine_verdict_unchecked_known;

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('scans.scan_result', 'model_input_tokens', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.scan_result', 'model_output_tokens', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.scan_result', 'model_cost_micros', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.scan_result', 'model_currency', 'technical', 'service', 'include', 'delete', 'workspace', NULL);
