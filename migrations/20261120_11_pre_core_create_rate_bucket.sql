-- Why:      a workspace that asks for too much must not slow down the others.
-- Change:   core.rate_bucket and core.take_rate_tokens().
-- Locks:    none on existing tables.
-- Data:     no rows are written.
-- Old code: nothing reads it yet.
-- Rollback: drops the buckets: everybody starts with a full one.
-- depends: 20261120_04_pre_core_create_workspace

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- Unlogged and with room for HOT updates: it is written more often than anything else and may be lost in a crash.
CREATE UNLOGGED TABLE core.rate_bucket (
    workspace_id uuid             NOT NULL CONSTRAINT rate_bucket_pkey PRIMARY KEY,
    refilled_at  timestamptz      NOT NULL,
    tokens       double precision NOT NULL CONSTRAINT rate_bucket_tokens_positive CHECK (tokens >= 0)
) WITH (fillfactor = 70);

COMMENT ON TABLE core.rate_bucket IS 'system. What a workspace may still ask for; one token is one object. Not audited: it says nothing that lasts.';

ALTER TABLE core.rate_bucket ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.rate_bucket FORCE ROW LEVEL SECURITY;

-- allow always-true-policy: without it the owner's function below would see no bucket.
CREATE POLICY owner ON core.rate_bucket TO fivefold_owner USING (true) WITH CHECK (true);

-- Takes tokens in one statement, or says how many seconds it takes until they are there. The clock is the statement's own:
-- now() stands still in a transaction.
CREATE FUNCTION core.take_rate_tokens(workspace_id uuid, wanted double precision, burst double precision, per_second double precision)
RETURNS TABLE (granted boolean, wait_seconds double precision)
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    WITH taken AS (
        INSERT INTO core.rate_bucket AS b (workspace_id, refilled_at, tokens)
        VALUES (take_rate_tokens.workspace_id, clock_timestamp(), take_rate_tokens.burst - take_rate_tokens.wanted)
        ON CONFLICT (workspace_id) DO UPDATE
        SET refilled_at = clock_timestamp(),
            tokens = least(
                take_rate_tokens.burst,
                b.tokens + take_rate_tokens.per_second * greatest(extract(epoch FROM clock_timestamp() - b.refilled_at)::float8, 0)
            ) - take_rate_tokens.wanted
        WHERE least(
            take_rate_tokens.burst,
            b.tokens + take_rate_tokens.per_second * greatest(extract(epoch FROM clock_timestamp() - b.refilled_at)::float8, 0)
        ) >= take_rate_tokens.wanted
        RETURNING b.tokens
    )
    SELECT
        EXISTS (SELECT FROM taken),
        CASE
            WHEN EXISTS (SELECT FROM taken) THEN 0
            ELSE greatest(0, (take_rate_tokens.wanted - b.tokens) / take_rate_tokens.per_second
                - extract(epoch FROM clock_timestamp() - b.refilled_at)::float8)
        END
    FROM (SELECT) AS always
    LEFT JOIN core.rate_bucket AS b ON b.workspace_id = take_rate_tokens.workspace_id;
END;

REVOKE ALL ON FUNCTION core.take_rate_tokens(uuid, double precision, double precision, double precision) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION core.take_rate_tokens(uuid, double precision, double precision, double precision) TO fivefold_api;
