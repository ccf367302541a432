-- Results: what scans came to, and facts of what answered.
-- Table: scans.scan_result

-- name: edge_scan_result :edge
-- Of scans that were completed.
SELECT k.position, r.scan_id, r.verdict, r.score, r.weights_version, r.categories, r.unchecked, r.reasoning, r.http_status, r.content_type, r.headers,
    r.final_host, r.cookie_names, r.form_hosts, r.tls_protocol, r.tls_issuer, r.tls_not_before, r.tls_not_after, r.tls_problem, r.model,
    r.prompt_version, r.model_input_tokens, r.model_output_tokens, r.model_cost_micros, r.model_currency, encode(r.content_hash, 'hex') AS content_sha256, encode(r.header_hash, 'hex') AS header_sha256,
    encode(r.favicon_hash, 'hex') AS favicon_sha256, encode(r.certificate_hash, 'hex') AS certificate_sha256
FROM unnest(:scan_ids::uuid[]) WITH ORDINALITY AS k (scan_id, position)
JOIN scans.scan_result AS r ON r.scan_id = k.scan_id
WHERE r.workspace_id = :workspace_id;

-- name: insert_scan_result :exec
-- Of several scans at once, in the transaction that completes them. Lists come as text, because arrays of arrays are rectangles.
INSERT INTO scans.scan_result (workspace_id, scan_id, verdict, score, weights_version, categories, unchecked, reasoning, http_status,
    content_type, headers, final_host, cookie_names, form_hosts, tls_protocol, tls_issuer, tls_not_before, tls_not_after, tls_problem,
    model, prompt_version, model_input_tokens, model_output_tokens, model_cost_micros, model_currency, content_hash, header_hash,
    favicon_hash, certificate_hash)
SELECT :workspace_id, r.scan_id, r.verdict, r.score, r.weights_version, string_to_array(r.categories, ' '),
    string_to_array(r.unchecked, ' '), r.reasoning, r.http_status, r.content_type, r.headers::jsonb, r.final_host,
    string_to_array(r.cookie_names, ' '), string_to_array(r.form_hosts, ' '), r.tls_protocol, r.tls_issuer, r.tls_not_before,
    r.tls_not_after, r.tls_problem, r.model, r.prompt_version, r.model_input_tokens, r.model_output_tokens, r.model_cost_micros,
    r.model_currency, r.content_hash, r.header_hash, r.favicon_hash, r.certificate_hash
FROM unnest(
    :scan_ids::uuid[], :verdicts::text[], :scores::int2[], :weights_versions::int4[], :categories::text[], :unchecked::text[],
    :reasonings::text[], :http_statuses::int2[], :content_types::text[], :headers::text[], :final_hosts::text[],
    :cookie_names::text[], :form_hosts::text[], :tls_protocols::text[], :tls_issuers::text[], :tls_not_befores::timestamptz[],
    :tls_not_afters::timestamptz[], :tls_problems::text[], :models::text[], :prompt_versions::int4[],
    :model_input_tokens::int8[], :model_output_tokens::int8[], :model_cost_micros::int8[], :model_currencies::text[], :content_hashes::bytea[],
    :header_hashes::bytea[], :favicon_hashes::bytea[], :certificate_hashes::bytea[]
) AS r (scan_id, verdict, score, weights_version, categories, unchecked, reasoning, http_status, content_type, headers, final_host,
    cookie_names, form_hosts, tls_protocol, tls_issuer, tls_not_before, tls_not_after, tls_problem, model, prompt_version,
    model_input_tokens, model_output_tokens, model_cost_micros, model_currency, content_hash, header_hash, favicon_hash, certificate_hash);
