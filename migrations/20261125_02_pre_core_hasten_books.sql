-- Why:      the check of the books read all transfers that a workspace ever had, again with each batch, where the planner knew
--           no better.
-- Change:   core.book_entries() looks up what was written and nothing else; what it refuses is the same.
-- Locks:    none on tables.
-- Data:     none.
-- Old code: goes on.
-- Rollback: the function as it was.
-- depends: 20261125_01_pre_core_hasten_audit 20261122_30_pre_core_create_ledger

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
