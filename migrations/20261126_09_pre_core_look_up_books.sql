-- Why:      with each batch that ended, all transfers of everybody were read, by a plan that was made while there were few, reservations
--           were looked up twice, and the same account for each entry, which has as many versions as statements changed it.
-- Change:   core.book_entries() and core.end_reservations() look up transfers by their key, and what is the same once; what they
--           refuse and write is the same.
-- Locks:    none on tables.
-- Data:     none.
-- Old code: goes on.
-- Rollback: the functions as they were.
-- depends: 20261126_08_pre_scans_check_once 20261124_03_pre_core_end_reservations 20261125_02_pre_core_hasten_books

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- Every statement that writes entries leaves each transfer balanced and each balance the sum of its entries, or fails.
-- Each row is looked up by its key, whatever the planner knows: what stands in a LATERAL with OFFSET 0 is asked row by row. An
-- account is looked up once for all its entries, for its row has as many versions as there are statements at the time.
CREATE OR REPLACE FUNCTION core.book_entries() RETURNS trigger
LANGUAGE plpgsql
SET search_path = ''
SET enable_seqscan = off
AS $$
BEGIN
    IF EXISTS (
        WITH account AS MATERIALIZED (
            SELECT k.workspace_id, k.id, a.unit
            FROM (SELECT DISTINCT n.workspace_id, n.ledger_account_id AS id FROM new_rows AS n) AS k
            CROSS JOIN LATERAL (
                SELECT a.unit
                FROM core.ledger_account AS a
                WHERE a.workspace_id = k.workspace_id
                    AND a.id = k.id
                OFFSET 0
            ) AS a
        )
        SELECT
        FROM (
            SELECT n.workspace_id, n.transfer_id, count(*) AS entries, count(a.unit) AS units, sum(n.amount) AS amount,
                max(n.amount) AS moved, min(a.unit) AS unit, max(a.unit) AS other_unit
            FROM new_rows AS n
            LEFT JOIN account AS a ON a.workspace_id = n.workspace_id AND a.id = n.ledger_account_id
            GROUP BY n.workspace_id, n.transfer_id
        ) AS s
        LEFT JOIN LATERAL (
            SELECT t.amount, t.unit
            FROM core.ledger_transfer AS t
            WHERE t.workspace_id = s.workspace_id
                AND t.id = s.transfer_id
            OFFSET 0
        ) AS t ON true
        CROSS JOIN LATERAL (
            SELECT count(*) AS entries
            FROM core.ledger_entry AS e
            WHERE e.workspace_id = s.workspace_id
                AND e.transfer_id = s.transfer_id
        ) AS e
        WHERE s.entries <> 2
            OR s.units <> 2
            OR s.amount <> 0
            OR s.unit <> s.other_unit
            OR t.amount IS DISTINCT FROM s.moved
            OR t.unit IS DISTINCT FROM s.unit
            OR e.entries <> 2
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
-- lock, with one transfer for each, whose key makes it happen once. Planned for look-ups by key; what is held has not ended, as a
-- constraint says, and asked like that, the index of what anybody holds is none for this.
CREATE OR REPLACE FUNCTION core.end_reservations(reservation_ids uuid[], status text) RETURNS SETOF uuid
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ''
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
    tenant  uuid    := core.current_workspace_id();
    settle  boolean := end_reservations.status = 'SETTLED';
    ids     uuid[];
    amounts bigint[];
    units   text[];
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
    WITH ended AS (
        UPDATE core.reservation AS r
        SET status = end_reservations.status,
            settled_amount = CASE WHEN settle THEN r.amount END,
            ended_at = now()
        FROM (SELECT DISTINCT g.id FROM unnest(end_reservations.reservation_ids) AS g (id)) AS k
        WHERE r.workspace_id = tenant
            AND r.id = k.id
            AND r.ended_at IS NULL
        RETURNING r.id, r.amount, r.unit
    )
    SELECT array_agg(e.id), array_agg(e.amount), array_agg(e.unit)
    INTO ids, amounts, units
    FROM ended AS e;
    IF ids IS NULL THEN
        RETURN;
    END IF;
    INSERT INTO core.ledger_account (workspace_id, unit, kind)
    SELECT DISTINCT tenant, u.unit, 'REVENUE'
    FROM unnest(units) AS u (unit)
    WHERE settle
    ON CONFLICT ON CONSTRAINT ledger_account_kind_key DO NOTHING;
    WITH account AS MATERIALIZED (
        SELECT a.id, a.unit, a.kind
        FROM core.ledger_account AS a
        WHERE a.workspace_id = tenant
            AND a.kind IN ('RESERVED', CASE WHEN settle THEN 'REVENUE' ELSE 'AVAILABLE' END)
    ),
    moved AS (
        INSERT INTO core.ledger_transfer (workspace_id, unit, kind, amount, key, reservation_id)
        SELECT tenant, e.unit, CASE WHEN settle THEN 'SETTLE' ELSE 'RELEASE' END, e.amount,
            CASE WHEN settle THEN 'settle:' ELSE 'release:' END || e.id, e.id
        FROM unnest(ids, amounts, units) AS e (id, amount, unit)
        RETURNING id, unit, amount
    )
    INSERT INTO core.ledger_entry (workspace_id, transfer_id, ledger_account_id, amount)
    SELECT tenant, m.id, a.id, CASE a.kind WHEN 'RESERVED' THEN -m.amount ELSE m.amount END
    FROM moved AS m
    JOIN account AS a ON a.unit = m.unit;
    RETURN QUERY SELECT e.id FROM unnest(ids) AS e (id);
END
$$;
