SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- Every statement that writes entries leaves each transfer balanced and each balance the sum of its entries, or fails.
-- Each look-up names all columns of a key, and no plan that was made while a table was small may read the whole of it later.
CREATE OR REPLACE FUNCTION core.book_entries() RETURNS trigger
LANGUAGE plpgsql
SET search_path = ''
SET enable_seqscan = off
AS $$
BEGIN
    IF EXISTS (
        SELECT
        FROM (
            SELECT n.workspace_id, n.transfer_id, count(*) AS entries, sum(n.amount) AS amount, max(n.amount) AS moved,
                min(n.unit) AS unit, max(n.unit) AS other_unit
            FROM (
                SELECT e.workspace_id, e.transfer_id, e.amount,
                    coalesce(
                        (
                            SELECT a.unit
                            FROM core.ledger_account AS a
                            WHERE a.workspace_id = e.workspace_id
                                AND a.id = e.ledger_account_id
                        ),
                        ''
                    ) AS unit
                FROM new_rows AS e
            ) AS n
            GROUP BY n.workspace_id, n.transfer_id
        ) AS s
        WHERE s.entries <> 2
            OR s.amount <> 0
            OR s.unit <> s.other_unit
            OR NOT EXISTS (
                SELECT
                FROM core.ledger_transfer AS t
                WHERE t.workspace_id = s.workspace_id
                    AND t.id = s.transfer_id
                    AND t.amount = s.moved
                    AND t.unit = s.unit
            )
            OR (
                SELECT count(*)
                FROM core.ledger_entry AS e
                WHERE e.workspace_id = s.workspace_id
                    AND e.transfer_id = s.transfer_id
            ) <> 2
    ) THEN
        RAISE EXCEPTION 'the entries of a transfer are two and add up to zero' USING ERRCODE = 'check_violation';
    END IF;
    UPDATE core.ledger_account AS a
    SET balance = a.balance + s.amount
    FROM (
        SELECT n.workspace_id, n.ledger_account_id, sum(n.amount)::bigint AS amount
        FROM new_rows AS n
        GROUP BY n.workspace_id, n.ledger_account_id
    ) AS s
    WHERE a.workspace_id = s.workspace_id
        AND a.id = s.ledger_account_id;
    RETURN NULL;
END
$$;

-- Settle in full, or release, those that are still held; which they were. As core.end_reservation() does: under the wallet's
-- lock, with one transfer for each, whose key makes it happen once.
CREATE OR REPLACE FUNCTION core.end_reservations(reservation_ids uuid[], status text) RETURNS SETOF uuid
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
