-- Networks of API keys: from where a key was used.
-- Tables: core.api_key_network

-- name: upsert_api_key_network :one
-- Note that the key is used from there. Where it never was, one event of the audit says so, with how many networks were known
-- before; a key of very many networks is used from everywhere, and no more are noted. No row while somebody holds the key's.
WITH held AS (
    SELECT k.workspace_id, k.id, k.name
    FROM core.api_key AS k
    WHERE k.workspace_id = :workspace_id
        AND k.id = :api_key_id
    FOR KEY SHARE SKIP LOCKED
),
known AS (
    SELECT count(*) AS networks
    FROM core.api_key_network AS n
    WHERE n.workspace_id = :workspace_id
        AND n.api_key_id = :api_key_id
),
noted AS (
    INSERT INTO core.api_key_network AS n (workspace_id, api_key_id, network)
    SELECT held.workspace_id, held.id, :network
    FROM held
    JOIN known ON known.networks < :most
    ON CONFLICT (workspace_id, api_key_id, network) DO UPDATE
    SET seen_at = excluded.seen_at
    WHERE n.seen_at < excluded.seen_at - interval '12 hours'
    RETURNING old.network IS NULL AS is_new
)
SELECT CASE WHEN noted.is_new THEN core.record_action(
    'SIGN_IN', 'core.api_key', held.id, jsonb_build_object('networks', known.networks, 'name', held.name)
) END AS event_id
FROM held
CROSS JOIN known
LEFT JOIN noted ON true;
