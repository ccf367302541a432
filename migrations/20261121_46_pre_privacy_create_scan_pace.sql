-- Why:      the limit of a platform holds for all people together, whoever asks: the scheduler or a person.
-- Change:   privacy.scan_pace and the function that takes from it.
-- Locks:    SHARE ROW EXCLUSIVE on privacy.platform while the foreign key is added.
-- Data:     no rows are written.
-- Old code: nothing reads it yet.
-- Rollback: drops what was requested in the current minute.
-- depends: 20261121_45_pre_privacy_limit_platform_config 20261120_20_pre_privacy_create_platform

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow prefer-bigint-over-int: a count per minute.
CREATE TABLE privacy.scan_pace (
    platform_id uuid        NOT NULL CONSTRAINT scan_pace_pkey PRIMARY KEY
        CONSTRAINT scan_pace_platform_id_fkey REFERENCES privacy.platform (id),
    minute      timestamptz NOT NULL,
    requested   integer     NOT NULL CONSTRAINT scan_pace_requested_positive CHECK (requested >= 0)
) WITH (fillfactor = 70);

COMMENT ON TABLE privacy.scan_pace IS 'system. Scans of a platform that were requested in one minute. Not audited: it says nothing that lasts.';

ALTER TABLE privacy.scan_pace ENABLE ROW LEVEL SECURITY;
ALTER TABLE privacy.scan_pace FORCE ROW LEVEL SECURITY;

-- allow always-true-policy: without it the owner's function below would see no row.
CREATE POLICY owner ON privacy.scan_pace TO fivefold_owner USING (true) WITH CHECK (true);

-- How many of the wanted requests the platform's limit grants at a moment. The limit is read here, so that no caller brings
-- its own; the row stays locked to the end of the transaction, so that two callers together take no more than there is.
CREATE FUNCTION privacy.take_scan_pace(platform_id uuid, moment timestamptz, wanted integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ''
AS $$
DECLARE
    this_minute CONSTANT timestamptz := date_trunc('minute', take_scan_pace.moment);
    most        integer;
    used        integer;
    granted     integer;
BEGIN
    INSERT INTO privacy.scan_pace AS p (platform_id, minute, requested)
    VALUES (take_scan_pace.platform_id, this_minute, 0)
    ON CONFLICT ON CONSTRAINT scan_pace_pkey DO UPDATE
    SET minute = this_minute,
        requested = CASE WHEN p.minute = this_minute THEN p.requested ELSE 0 END
    RETURNING p.requested INTO used;

    SELECT c.requests_per_minute INTO most
    FROM privacy.platform_config AS c
    WHERE c.platform_id = take_scan_pace.platform_id
        AND c.valid_from <= take_scan_pace.moment
    ORDER BY c.valid_from DESC
    LIMIT 1;

    granted := greatest(least(take_scan_pace.wanted, coalesce(most, 30) - used), 0);
    UPDATE privacy.scan_pace AS p
    SET requested = p.requested + granted
    WHERE p.platform_id = take_scan_pace.platform_id
        AND granted > 0;
    RETURN granted;
END
$$;

REVOKE ALL ON FUNCTION privacy.take_scan_pace(uuid, timestamptz, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION privacy.take_scan_pace(uuid, timestamptz, integer) TO fivefold_api, fivefold_worker;
