-- Why:      work that is done in batches ends its reservations in one statement, not in one for each.
-- Change:   core.end_reservations().
-- Locks:    none on existing tables.
-- Data:     no rows are written.
-- Old code: goes on: it ends them one by one.
-- Rollback: drops the function.
-- depends: 20261122_30_pre_core_create_ledger

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- Settle in full, or release, those that are still held; which they were. As core.end_reservation() does: under the wallet's
-- lock, with one transfer for each, whose key makes it happen once.
CREATE FUNCTION core.end_reservations(reservation_ids uuid[], status text) RETURNS SETOF uuid
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ''
AS $$
#variable_conflict use_column
DECLARE
    tenant uuid    := core.current_workspace_id();
    settle boolean := end_reservations.status = 'SETTLED';
BEGIN
    IF end_reservations.status NOT IN ('SETTLED', 'RELEASED') THEN
        RAISE EXCEPTION 'reservations are settled or released' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM 1
    FROM core.ledger_account AS a
    WHERE a.workspace_id = tenant
        AND a.kind = 'AVAILABLE'
    ORDER BY a.id
    FOR NO KEY UPDATE;
    INSERT INTO core.ledger_account (workspace_id, unit, kind)
    SELECT DISTINCT tenant, r.unit, 'REVENUE'
    FROM core.reservation AS r
    WHERE settle
        AND r.workspace_id = tenant
        AND r.id = ANY (end_reservations.reservation_ids)
    ON CONFLICT ON CONSTRAINT ledger_account_kind_key DO NOTHING;
    RETURN QUERY
    WITH ended AS (
        UPDATE core.reservation AS r
        SET status = end_reservations.status,
            settled_amount = CASE WHEN settle THEN r.amount END,
            ended_at = now()
        WHERE r.workspace_id = tenant
            AND r.id = ANY (end_reservations.reservation_ids)
            AND r.status = 'HELD'
        RETURNING r.id, r.amount, r.unit
    ),
    moved AS (
        INSERT INTO core.ledger_transfer (workspace_id, unit, kind, amount, key, reservation_id)
        SELECT tenant, e.unit, CASE WHEN settle THEN 'SETTLE' ELSE 'RELEASE' END, e.amount,
            CASE WHEN settle THEN 'settle:' ELSE 'release:' END || e.id, e.id
        FROM ended AS e
        RETURNING id, unit, amount
    ),
    booked AS (
        INSERT INTO core.ledger_entry (workspace_id, transfer_id, ledger_account_id, amount)
        SELECT tenant, m.id, a.id, CASE a.kind WHEN 'RESERVED' THEN -m.amount ELSE m.amount END
        FROM moved AS m
        JOIN core.ledger_account AS a ON a.workspace_id = tenant
            AND a.unit = m.unit
            AND a.kind IN ('RESERVED', CASE WHEN settle THEN 'REVENUE' ELSE 'AVAILABLE' END)
        RETURNING transfer_id
    )
    SELECT e.id FROM ended AS e;
END
$$;

REVOKE ALL ON FUNCTION core.end_reservations(uuid[], text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION core.end_reservations(uuid[], text) TO fivefold_worker;
