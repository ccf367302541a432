SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- Every statement that writes entries leaves each transfer balanced and each balance the sum of its entries, or fails.
CREATE OR REPLACE FUNCTION core.book_entries() RETURNS trigger
LANGUAGE plpgsql
SET search_path = ''
AS $$
BEGIN
    IF EXISTS (
        SELECT
        FROM new_rows AS n
        JOIN core.ledger_account AS a ON a.workspace_id = n.workspace_id AND a.id = n.ledger_account_id
        JOIN core.ledger_transfer AS t ON t.workspace_id = n.workspace_id AND t.id = n.transfer_id
        GROUP BY n.workspace_id, n.transfer_id
        HAVING sum(n.amount) <> 0 OR max(n.amount) <> min(t.amount) OR count(*) <> 2 OR NOT bool_and(a.unit = t.unit)
    ) OR EXISTS (
        SELECT
        FROM new_rows AS n
        JOIN core.ledger_entry AS e ON e.workspace_id = n.workspace_id AND e.transfer_id = n.transfer_id
        GROUP BY n.workspace_id, n.transfer_id, n.id
        HAVING count(*) <> 2
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
