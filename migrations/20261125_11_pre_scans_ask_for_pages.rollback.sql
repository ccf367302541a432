SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DELETE FROM core.data_inventory WHERE object = 'scans.scan_result' AND column_name LIKE 'model\_%';

ALTER TABLE scans.scan_result
DROP COLUMN model_input_tokens,
DROP COLUMN model_output_tokens,
DROP COLUMN model_cost_micros,
DROP COLUMN model_currency;

-- allow ban-drop-constraint: a narrower one takes its place in the same transaction.
ALTER TABLE scans.scan_result DROP CONSTRAINT scan_result_unchecked_known;
-- allow constraint-missing-not-valid: it is to fail where a row says what nobody would understand any more.
ALTER TABLE scans.scan_result ADD CONSTRAINT scan_result_unchecked_known CHECK (unchecked <@ ARRAY[
    'UNREACHABLE', 'REFUSED_ADDRESS', 'ERROR_ANSWER', 'ACCESS_DENIED', 'NOT_A_PAGE', 'TRUNCATED', 'TOO_DEEP',
    'EMPTY', 'MADE_BY_SCRIPTS', 'LEADS_ELSEWHERE', 'SCRIPTS_NOT_RUN', 'NO_TLS_FACTS', 'NO_REDIRECTS',
    'HOST_NOT_PUBLIC', 'FEED_MISSING', 'FEED_OLD', 'NO_MODEL', 'MODEL_FAILED'
]);
-- allow ban-drop-constraint: as above.
ALTER TABLE scans.engine_verdict DROP CONSTRAINT engine_verdict_unchecked_known;
-- allow constraint-missing-not-valid: as above.
ALTER TABLE scans.engine_verdict ADD CONSTRAINT engine_verdict_unchecked_known CHECK (unchecked IN (
    'UNREACHABLE', 'REFUSED_ADDRESS', 'ERROR_ANSWER', 'ACCESS_DENIED', 'NOT_A_PAGE', 'TRUNCATED', 'TOO_DEEP',
    'EMPTY', 'MADE_BY_SCRIPTS', 'LEADS_ELSEWHERE', 'SCRIPTS_NOT_RUN', 'NO_TLS_FACTS', 'NO_REDIRECTS',
    'HOST_NOT_PUBLIC', 'FEED_MISSING', 'FEED_OLD', 'NO_MODEL', 'MODEL_FAILED'
));

-- allow disable-trigger: it stands again at the end of this transaction, which nobody sees the middle of.
ALTER TABLE core.consent_purpose DISABLE TRIGGER append_only;
DELETE FROM core.consent_purpose AS p
WHERE p.slug = 'page_analysis';
ALTER TABLE core.consent_purpose ENABLE ALWAYS TRIGGER append_only;
