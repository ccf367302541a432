-- Why:      credits are money: they are counted by a ledger that cannot be unbalanced, and spent exactly once by whoever spends in parallel.
-- Change:   core.ledger_account, core.ledger_transfer, core.ledger_entry, core.reservation, and the functions that write them.
-- Locks:    SHARE ROW EXCLUSIVE on core.workspace while the foreign keys are added.
-- Data:     no rows; what the columns hold is told to core.data_inventory.
-- Old code: nothing reads it yet.
-- Rollback: drops the books: who has how many credits, and why.
-- depends: 20261121_03_pre_core_create_plan 20261122_02_pre_core_create_data_inventory

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE core.ledger_account (
    workspace_id uuid   NOT NULL CONSTRAINT ledger_account_workspace_id_fkey REFERENCES core.workspace (id),
    id           uuid   NOT NULL DEFAULT uuidv7(),
    balance      bigint NOT NULL DEFAULT 0,
    unit         text   NOT NULL CONSTRAINT ledger_account_unit_form CHECK (unit ~ '^[a-z][a-z_]{1,19}$'),
    kind         text   NOT NULL CONSTRAINT ledger_account_kind_known
        CHECK (kind IN ('AVAILABLE', 'RESERVED', 'REVENUE', 'PURCHASE', 'GRANT')),
    CONSTRAINT ledger_account_pkey PRIMARY KEY (workspace_id, id),
    CONSTRAINT ledger_account_kind_key UNIQUE (workspace_id, unit, kind),
    -- Where credits come from goes below zero; where they are, nothing does.
    CONSTRAINT ledger_account_balance_range CHECK (balance >= 0 OR kind IN ('PURCHASE', 'GRANT'))
);

COMMENT ON TABLE core.ledger_account IS 'owned. A side of the books of one workspace and unit; AVAILABLE and RESERVED together are its wallet.';
COMMENT ON COLUMN core.ledger_account.balance IS 'The sum of its entries: a trigger adds each, and core.check_ledger() adds them up again.';
COMMENT ON COLUMN core.ledger_account.unit IS 'What is counted, such as credit: whole ones.';
COMMENT ON COLUMN core.ledger_account.kind IS
'AVAILABLE and RESERVED are what the workspace has, REVENUE what it used up, PURCHASE and GRANT where it came from.';

CREATE TABLE core.reservation (
    workspace_id    uuid        NOT NULL CONSTRAINT reservation_workspace_id_fkey REFERENCES core.workspace (id),
    id              uuid        NOT NULL DEFAULT uuidv7(),
    amount          bigint      NOT NULL CONSTRAINT reservation_amount_range CHECK (amount BETWEEN 1 AND 1000000000000),
    settled_amount  bigint,
    expires_at      timestamptz NOT NULL,
    ended_at        timestamptz,
    unit            text        NOT NULL,
    status          text        NOT NULL DEFAULT 'HELD' CONSTRAINT reservation_status_known
        CHECK (status IN ('HELD', 'SETTLED', 'RELEASED', 'REFUNDED')),
    previous_status text,
    purpose         text        NOT NULL CONSTRAINT reservation_purpose_form CHECK (purpose ~ '^[a-z]+\.[a-z_]{1,60}$'),
    key             text        NOT NULL CONSTRAINT reservation_key_length CHECK (length(key) BETWEEN 1 AND 200),
    CONSTRAINT reservation_pkey PRIMARY KEY (workspace_id, id),
    CONSTRAINT reservation_key_key UNIQUE (workspace_id, key),
    -- What follows what: held, then settled or released; what was settled may be refunded.
    CONSTRAINT reservation_transition_allowed CHECK (
        CASE status
            WHEN 'HELD' THEN previous_status IS NULL
            WHEN 'REFUNDED' THEN previous_status = 'SETTLED'
            ELSE previous_status = 'HELD'
        END),
    CONSTRAINT reservation_settled_has_amount CHECK (
        CASE WHEN status IN ('SETTLED', 'REFUNDED') THEN settled_amount BETWEEN 1 AND amount ELSE settled_amount IS NULL END),
    CONSTRAINT reservation_ended_has_time CHECK ((status = 'HELD') = (ended_at IS NULL))
);

-- Serves the look for what was forgotten, and the sum of what is held.
CREATE INDEX reservation_expires_at_idx ON core.reservation (expires_at) WHERE status = 'HELD';

COMMENT ON TABLE core.reservation IS 'owned. Credits held for work that is under way: taken when it succeeds, given back when it does not.';
COMMENT ON COLUMN core.reservation.settled_amount IS 'What the work took; the rest was given back.';
COMMENT ON COLUMN core.reservation.expires_at IS 'From then on a job gives it back, for whoever forgot it.';
COMMENT ON COLUMN core.reservation.previous_status IS 'The status before the last change, written by the trigger, so that a constraint can tell what may follow what.';
COMMENT ON COLUMN core.reservation.purpose IS 'Product and what it pays for, such as scans.scan.';
COMMENT ON COLUMN core.reservation.key IS 'Names it to the product: reserving again under the same key is the same reservation.';

CREATE TABLE core.ledger_transfer (
    workspace_id   uuid   NOT NULL CONSTRAINT ledger_transfer_workspace_id_fkey REFERENCES core.workspace (id),
    id             uuid   NOT NULL DEFAULT uuidv7(),
    reservation_id uuid,
    amount         bigint NOT NULL CONSTRAINT ledger_transfer_amount_range CHECK (amount BETWEEN 1 AND 1000000000000),
    unit           text   NOT NULL,
    kind           text   NOT NULL CONSTRAINT ledger_transfer_kind_known
        CHECK (kind IN ('PURCHASE', 'GRANT', 'WITHDRAW', 'RESERVE', 'SETTLE', 'RELEASE', 'EXPIRE', 'REFUND', 'REVERSE')),
    key            text   NOT NULL CONSTRAINT ledger_transfer_key_length CHECK (length(key) BETWEEN 1 AND 300),
    reason         text   CONSTRAINT ledger_transfer_reason_length CHECK (length(reason) BETWEEN 1 AND 300),
    CONSTRAINT ledger_transfer_pkey PRIMARY KEY (workspace_id, id),
    CONSTRAINT ledger_transfer_key_key UNIQUE (workspace_id, key),
    CONSTRAINT ledger_transfer_reservation_fkey FOREIGN KEY (workspace_id, reservation_id)
        REFERENCES core.reservation (workspace_id, id),
    CONSTRAINT ledger_transfer_has_reservation
        CHECK ((reservation_id IS NOT NULL) = (kind IN ('RESERVE', 'SETTLE', 'RELEASE', 'EXPIRE', 'REFUND')))
);

-- Serves the foreign key.
CREATE INDEX ledger_transfer_workspace_id_reservation_id_idx ON core.ledger_transfer (workspace_id, reservation_id);

COMMENT ON TABLE core.ledger_transfer IS 'owned. Credits that went from one side of the books to another: two entries that cancel out. Append-only.';
COMMENT ON COLUMN core.ledger_transfer.key IS 'What it was done for: the same thing is done once.';
COMMENT ON COLUMN core.ledger_transfer.reason IS 'Why a person corrected the books; an erasure takes it away.';

CREATE TABLE core.ledger_entry (
    workspace_id      uuid   NOT NULL,
    id                uuid   NOT NULL DEFAULT uuidv7(),
    transfer_id       uuid   NOT NULL,
    ledger_account_id uuid   NOT NULL,
    amount            bigint NOT NULL CONSTRAINT ledger_entry_amount_not_zero CHECK (amount <> 0),
    CONSTRAINT ledger_entry_pkey PRIMARY KEY (workspace_id, id),
    CONSTRAINT ledger_entry_transfer_fkey FOREIGN KEY (workspace_id, transfer_id)
        REFERENCES core.ledger_transfer (workspace_id, id),
    CONSTRAINT ledger_entry_account_fkey FOREIGN KEY (workspace_id, ledger_account_id)
        REFERENCES core.ledger_account (workspace_id, id)
);

-- Serve the foreign keys; the second is a wallet's history, too.
CREATE INDEX ledger_entry_workspace_id_transfer_id_idx ON core.ledger_entry (workspace_id, transfer_id);
CREATE INDEX ledger_entry_workspace_id_ledger_account_id_id_idx ON core.ledger_entry (workspace_id, ledger_account_id, id);

COMMENT ON TABLE core.ledger_entry IS 'owned. One side of a transfer. Append-only; those of a transfer add up to zero.';

ALTER TABLE core.ledger_account ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.ledger_account FORCE ROW LEVEL SECURITY;
ALTER TABLE core.reservation ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.reservation FORCE ROW LEVEL SECURITY;
ALTER TABLE core.ledger_transfer ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.ledger_transfer FORCE ROW LEVEL SECURITY;
ALTER TABLE core.ledger_entry ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.ledger_entry FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON core.ledger_account TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
CREATE POLICY tenant ON core.reservation TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
CREATE POLICY tenant ON core.ledger_transfer TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
CREATE POLICY tenant ON core.ledger_entry TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
-- As the system the worker finds the workspaces in which something was forgotten, and nothing else.
CREATE POLICY worker_due ON core.reservation FOR SELECT TO fivefold_worker
USING (
    (SELECT core.current_workspace_id()) = (SELECT core.system_workspace_id())
    AND status = 'HELD' AND expires_at <= now()
);
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON core.ledger_account TO fivefold_owner USING (true) WITH CHECK (true);
-- allow always-true-policy: as above.
CREATE POLICY owner ON core.reservation TO fivefold_owner USING (true) WITH CHECK (true);
-- allow always-true-policy: as above.
CREATE POLICY owner ON core.ledger_transfer TO fivefold_owner USING (true) WITH CHECK (true);
-- allow always-true-policy: as above.
CREATE POLICY owner ON core.ledger_entry TO fivefold_owner USING (true) WITH CHECK (true);

-- Nobody who logs in writes here: the functions below do.
GRANT SELECT ON core.ledger_account, core.reservation, core.ledger_transfer, core.ledger_entry TO fivefold_api, fivefold_worker;

-- The books stay as they are. Only why a person corrected them may be forgotten.
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON core.ledger_entry
FOR EACH ROW EXECUTE FUNCTION core.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON core.ledger_entry
FOR EACH STATEMENT EXECUTE FUNCTION core.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OF workspace_id, id, reservation_id, amount, unit, kind, key OR DELETE ON core.ledger_transfer
FOR EACH ROW EXECUTE FUNCTION core.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON core.ledger_transfer
FOR EACH STATEMENT EXECUTE FUNCTION core.refuse_change();
ALTER TABLE core.ledger_entry ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE core.ledger_entry ENABLE ALWAYS TRIGGER append_only_truncate;
ALTER TABLE core.ledger_transfer ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE core.ledger_transfer ENABLE ALWAYS TRIGGER append_only_truncate;

-- Every statement that writes entries leaves each transfer balanced and each balance the sum of its entries, or fails.
CREATE FUNCTION core.book_entries() RETURNS trigger
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

CREATE TRIGGER book AFTER INSERT ON core.ledger_entry REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.book_entries();
ALTER TABLE core.ledger_entry ENABLE ALWAYS TRIGGER book;

CREATE FUNCTION core.step_reservation() RETURNS trigger
LANGUAGE plpgsql
SET search_path = ''
AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.previous_status := NULL;
        RETURN NEW;
    END IF;
    IF (NEW.workspace_id, NEW.id, NEW.amount, NEW.unit, NEW.purpose, NEW.key)
        IS DISTINCT FROM (OLD.workspace_id, OLD.id, OLD.amount, OLD.unit, OLD.purpose, OLD.key)
        OR (OLD.status <> 'HELD' AND NEW.settled_amount IS DISTINCT FROM OLD.settled_amount)
    THEN
        RAISE EXCEPTION 'what was reserved stays as it was' USING ERRCODE = 'insufficient_privilege';
    END IF;
    NEW.previous_status := CASE WHEN NEW.status = OLD.status THEN OLD.previous_status ELSE OLD.status END;
    RETURN NEW;
END
$$;

CREATE TRIGGER step BEFORE INSERT OR UPDATE ON core.reservation
FOR EACH ROW EXECUTE FUNCTION core.step_reservation();
ALTER TABLE core.reservation ENABLE ALWAYS TRIGGER step;

-- The one place that moves credits. Whoever moves some of a wallet holds the row of its AVAILABLE account first, so that all
-- of them take turns and none waits for another in a circle. What was done under the same key is not done again: NULL.
CREATE FUNCTION core.post_transfer(
    workspace_id uuid, unit text, kind text, amount bigint, key text, reservation_id uuid, reason text
) RETURNS uuid
LANGUAGE plpgsql
SET search_path = ''
AS $$
#variable_conflict use_column
DECLARE
    sides text[] := CASE post_transfer.kind
        WHEN 'PURCHASE' THEN ARRAY['PURCHASE', 'AVAILABLE']
        WHEN 'GRANT' THEN ARRAY['GRANT', 'AVAILABLE']
        WHEN 'WITHDRAW' THEN ARRAY['AVAILABLE', 'GRANT']
        WHEN 'REVERSE' THEN ARRAY['AVAILABLE', 'PURCHASE']
        WHEN 'RESERVE' THEN ARRAY['AVAILABLE', 'RESERVED']
        WHEN 'SETTLE' THEN ARRAY['RESERVED', 'REVENUE']
        WHEN 'RELEASE' THEN ARRAY['RESERVED', 'AVAILABLE']
        WHEN 'EXPIRE' THEN ARRAY['RESERVED', 'AVAILABLE']
        WHEN 'REFUND' THEN ARRAY['REVENUE', 'AVAILABLE']
    END;
    made uuid;
BEGIN
    INSERT INTO core.ledger_account (workspace_id, unit, kind)
    SELECT post_transfer.workspace_id, post_transfer.unit, s.kind
    FROM unnest(ARRAY['AVAILABLE'] || sides) WITH ORDINALITY AS s (kind, place)
    GROUP BY s.kind
    ORDER BY s.kind
    ON CONFLICT ON CONSTRAINT ledger_account_kind_key DO NOTHING;
    PERFORM 1
    FROM core.ledger_account AS a
    WHERE a.workspace_id = post_transfer.workspace_id
        AND a.unit = post_transfer.unit
        AND a.kind = 'AVAILABLE'
    FOR NO KEY UPDATE;
    INSERT INTO core.ledger_transfer (workspace_id, unit, kind, amount, key, reservation_id, reason)
    VALUES (
        post_transfer.workspace_id, post_transfer.unit, post_transfer.kind, post_transfer.amount, post_transfer.key,
        post_transfer.reservation_id, post_transfer.reason
    )
    ON CONFLICT ON CONSTRAINT ledger_transfer_key_key DO NOTHING
    RETURNING id INTO made;
    IF made IS NULL THEN
        RETURN NULL;
    END IF;
    INSERT INTO core.ledger_entry (workspace_id, transfer_id, ledger_account_id, amount)
    SELECT
        post_transfer.workspace_id, made, a.id,
        CASE WHEN a.kind = sides[1] THEN -post_transfer.amount ELSE post_transfer.amount END
    FROM core.ledger_account AS a
    WHERE a.workspace_id = post_transfer.workspace_id
        AND a.unit = post_transfer.unit
        AND a.kind = ANY (sides);
    RETURN made;
END
$$;

-- The row that all who move credits of a wallet take turns at, and what is available behind it; NULL without a wallet.
CREATE FUNCTION core.lock_wallet(workspace_id uuid, unit text) RETURNS bigint
LANGUAGE sql
SET search_path = ''
BEGIN ATOMIC
    SELECT a.balance
    FROM core.ledger_account AS a
    WHERE a.workspace_id = lock_wallet.workspace_id
        AND a.unit = lock_wallet.unit
        AND a.kind = 'AVAILABLE'
    FOR NO KEY UPDATE;
END;

-- Hold credits of the caller's workspace. Outcomes: DONE, REPEATED (the same key came before), CONFLICT (with something else),
-- INSUFFICIENT.
CREATE FUNCTION core.reserve_credits(
    unit text, amount bigint, key text, purpose text, seconds integer, OUT reservation_id uuid, OUT outcome text, OUT available bigint
)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ''
AS $$
#variable_conflict use_column
DECLARE
    tenant uuid := core.current_workspace_id();
    known  core.reservation;
BEGIN
    available := coalesce(core.lock_wallet(tenant, reserve_credits.unit), 0);
    SELECT r.* INTO known
    FROM core.reservation AS r
    WHERE r.workspace_id = tenant
        AND r.key = reserve_credits.key;
    IF FOUND THEN
        reservation_id := known.id;
        outcome := CASE
            WHEN (known.unit, known.amount, known.purpose) = (reserve_credits.unit, reserve_credits.amount, reserve_credits.purpose)
            THEN 'REPEATED' ELSE 'CONFLICT'
        END;
        RETURN;
    END IF;
    IF available < reserve_credits.amount THEN
        outcome := 'INSUFFICIENT';
        RETURN;
    END IF;
    INSERT INTO core.reservation (workspace_id, unit, amount, key, purpose, expires_at)
    VALUES (
        tenant, reserve_credits.unit, reserve_credits.amount, reserve_credits.key, reserve_credits.purpose,
        now() + make_interval(secs => reserve_credits.seconds)
    )
    RETURNING id INTO reservation_id;
    PERFORM core.post_transfer(
        tenant, reserve_credits.unit, 'RESERVE', reserve_credits.amount, 'reserve:' || reservation_id, reservation_id, NULL
    );
    outcome := 'DONE';
END
$$;

-- End a reservation of the caller's workspace by SETTLED (whole or in part: the rest comes back), RELEASED or REFUNDED.
-- Outcomes: DONE, REPEATED, CLOSED (it has ended otherwise), TOO_MUCH, MISSING.
CREATE FUNCTION core.end_reservation(reservation_id uuid, status text, amount bigint, OUT outcome text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ''
AS $$
#variable_conflict use_column
DECLARE
    tenant uuid := core.current_workspace_id();
    held   core.reservation;
    taken  bigint;
BEGIN
    SELECT r.* INTO held
    FROM core.reservation AS r
    WHERE r.workspace_id = tenant
        AND r.id = end_reservation.reservation_id;
    IF NOT FOUND OR end_reservation.status NOT IN ('SETTLED', 'RELEASED', 'REFUNDED') THEN
        outcome := 'MISSING';
        RETURN;
    END IF;
    PERFORM core.lock_wallet(tenant, held.unit);
    SELECT r.* INTO held
    FROM core.reservation AS r
    WHERE r.workspace_id = tenant
        AND r.id = end_reservation.reservation_id
    FOR UPDATE;
    taken := coalesce(end_reservation.amount, held.amount);
    IF end_reservation.status = 'SETTLED' AND held.status IN ('SETTLED', 'REFUNDED') AND held.settled_amount = taken
        OR end_reservation.status <> 'SETTLED' AND held.status = end_reservation.status
    THEN
        outcome := 'REPEATED';
    ELSIF held.status <> (CASE end_reservation.status WHEN 'REFUNDED' THEN 'SETTLED' ELSE 'HELD' END) THEN
        outcome := 'CLOSED';
    ELSIF end_reservation.status = 'SETTLED' AND (taken > held.amount OR taken < 1) THEN
        outcome := 'TOO_MUCH';
    ELSE
        UPDATE core.reservation AS r
        SET status = end_reservation.status,
            settled_amount = CASE WHEN end_reservation.status = 'SETTLED' THEN taken ELSE r.settled_amount END,
            ended_at = now()
        WHERE r.workspace_id = tenant
            AND r.id = held.id;
        IF end_reservation.status = 'SETTLED' THEN
            PERFORM core.post_transfer(tenant, held.unit, 'SETTLE', taken, 'settle:' || held.id, held.id, NULL);
            IF taken < held.amount THEN
                PERFORM core.post_transfer(tenant, held.unit, 'RELEASE', held.amount - taken, 'release:' || held.id, held.id, NULL);
            END IF;
        ELSIF end_reservation.status = 'RELEASED' THEN
            PERFORM core.post_transfer(tenant, held.unit, 'RELEASE', held.amount, 'release:' || held.id, held.id, NULL);
        ELSE
            PERFORM core.post_transfer(tenant, held.unit, 'REFUND', held.settled_amount, 'refund:' || held.id, held.id, NULL);
        END IF;
        outcome := 'DONE';
    END IF;
END
$$;

-- Give back what was held for too long in the caller's workspace; how many reservations it was.
CREATE FUNCTION core.expire_reservations() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ''
AS $$
#variable_conflict use_column
DECLARE
    tenant uuid   := core.current_workspace_id();
    ended  bigint := 0;
    held   core.reservation;
BEGIN
    PERFORM 1
    FROM core.ledger_account AS a
    WHERE a.workspace_id = tenant
        AND a.kind = 'AVAILABLE'
    ORDER BY a.id
    FOR NO KEY UPDATE;
    FOR held IN
        UPDATE core.reservation AS r
        SET status = 'RELEASED',
            ended_at = now()
        WHERE r.workspace_id = tenant
            AND r.status = 'HELD'
            AND r.expires_at <= now()
        RETURNING r.*
    LOOP
        PERFORM core.post_transfer(tenant, held.unit, 'EXPIRE', held.amount, 'release:' || held.id, held.id, NULL);
        ended := ended + 1;
    END LOOP;
    RETURN ended;
END
$$;

-- By a curator, for any workspace: give credits, or take back what is available. Outcomes: DONE, REPEATED, INSUFFICIENT,
-- MISSING.
CREATE FUNCTION core.grant_credits(
    workspace_id uuid, unit text, amount bigint, key text, reason text, OUT transfer_id uuid, OUT outcome text, OUT available bigint
)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ''
AS $$
BEGIN
    IF NOT core.is_curator() OR NOT EXISTS (
        SELECT FROM core.workspace AS w WHERE w.id = grant_credits.workspace_id AND w.kind <> 'system'
    ) THEN
        outcome := 'MISSING';
        RETURN;
    END IF;
    available := coalesce(core.lock_wallet(grant_credits.workspace_id, grant_credits.unit), 0);
    IF available + grant_credits.amount < 0 THEN
        outcome := 'INSUFFICIENT';
        RETURN;
    END IF;
    transfer_id := core.post_transfer(
        grant_credits.workspace_id, grant_credits.unit, CASE WHEN grant_credits.amount < 0 THEN 'WITHDRAW' ELSE 'GRANT' END,
        abs(grant_credits.amount), 'grant:' || grant_credits.key, NULL, grant_credits.reason
    );
    outcome := CASE WHEN transfer_id IS NULL THEN 'REPEATED' ELSE 'DONE' END;
    available := core.lock_wallet(grant_credits.workspace_id, grant_credits.unit);
END
$$;

-- By a job, in its workspace, for what the provider was paid; whether it was not done before.
CREATE FUNCTION core.buy_credits(unit text, amount bigint, key text) RETURNS boolean
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = ''
RETURN core.post_transfer(
    core.current_workspace_id(), buy_credits.unit, 'PURCHASE', buy_credits.amount, 'buy:' || buy_credits.key, NULL, NULL
) IS NOT NULL;

-- The books of everybody, added up again: how many accounts there are, how many do not hold the sum of their entries, how
-- many transfers do not add up to zero, and how many wallets do not hold what is reserved. Three zeros, or somebody altered them.
CREATE FUNCTION core.check_ledger(OUT accounts bigint, OUT wrong_balances bigint, OUT wrong_transfers bigint, OUT wrong_reserves bigint)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    SELECT
        (SELECT count(*) FROM core.ledger_account),
        (
            SELECT count(*)
            FROM core.ledger_account AS a
            LEFT JOIN (
                SELECT e.workspace_id, e.ledger_account_id, sum(e.amount) AS amount
                FROM core.ledger_entry AS e
                GROUP BY e.workspace_id, e.ledger_account_id
            ) AS s ON s.workspace_id = a.workspace_id AND s.ledger_account_id = a.id
            WHERE a.balance <> coalesce(s.amount, 0)
        ),
        (
            SELECT count(*)
            FROM core.ledger_transfer AS t
            LEFT JOIN (
                SELECT e.workspace_id, e.transfer_id, sum(e.amount) AS amount, max(e.amount) AS moved
                FROM core.ledger_entry AS e
                GROUP BY e.workspace_id, e.transfer_id
            ) AS s ON s.workspace_id = t.workspace_id AND s.transfer_id = t.id
            WHERE s.amount IS DISTINCT FROM 0 OR s.moved IS DISTINCT FROM t.amount
        ),
        (
            SELECT count(*)
            FROM core.ledger_account AS a
            LEFT JOIN (
                SELECT r.workspace_id, r.unit, sum(r.amount) AS amount
                FROM core.reservation AS r
                WHERE r.status = 'HELD'
                GROUP BY r.workspace_id, r.unit
            ) AS s ON s.workspace_id = a.workspace_id AND s.unit = a.unit
            WHERE a.kind = 'RESERVED'
                AND a.balance <> coalesce(s.amount, 0)
        );
END;

REVOKE ALL ON FUNCTION
core.book_entries(),
core.step_reservation(),
core.post_transfer(uuid, text, text, bigint, text, uuid, text),
core.lock_wallet(uuid, text),
core.reserve_credits(text, bigint, text, text, integer),
core.end_reservation(uuid, text, bigint),
core.expire_reservations(),
core.grant_credits(uuid, text, bigint, text, text),
core.buy_credits(text, bigint, text),
core.check_ledger()
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
core.reserve_credits(text, bigint, text, text, integer),
core.end_reservation(uuid, text, bigint),
core.check_ledger()
TO fivefold_api, fivefold_worker;
GRANT EXECUTE ON FUNCTION core.grant_credits(uuid, text, bigint, text, text) TO fivefold_api;
GRANT EXECUTE ON FUNCTION core.expire_reservations(), core.buy_credits(text, bigint, text) TO fivefold_worker;

-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_insert AFTER INSERT ON core.reservation REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,unit,amount,settled_amount,purpose,status');
CREATE TRIGGER audit_update AFTER UPDATE ON core.reservation REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,unit,amount,settled_amount,purpose,status');
CREATE TRIGGER audit_delete AFTER DELETE ON core.reservation REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,unit,amount,settled_amount,purpose,status');
ALTER TABLE core.reservation ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE core.reservation ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE core.reservation ENABLE ALWAYS TRIGGER audit_delete;
CREATE TRIGGER audit_insert AFTER INSERT ON core.ledger_transfer REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,unit,kind,amount,reservation_id');
ALTER TABLE core.ledger_transfer ENABLE ALWAYS TRIGGER audit_insert;

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.ledger_account', 'workspace_id', 'technical', 'billing', 'include', 'keep', 'workspace', 'The books must stay whole and add up; the workspace is a pseudonym with nobody behind it after an erasure.'),
('core.ledger_account', 'id', 'technical', 'billing', 'include', 'keep', 'workspace', 'The books must stay whole and add up; the workspace is a pseudonym with nobody behind it after an erasure.'),
('core.ledger_account', 'balance', 'technical', 'billing', 'include', 'keep', 'workspace', 'The books must stay whole and add up; the workspace is a pseudonym with nobody behind it after an erasure.'),
('core.ledger_account', 'unit', 'technical', 'billing', 'include', 'keep', 'workspace', 'The books must stay whole and add up; the workspace is a pseudonym with nobody behind it after an erasure.'),
('core.ledger_account', 'kind', 'technical', 'billing', 'include', 'keep', 'workspace', 'The books must stay whole and add up; the workspace is a pseudonym with nobody behind it after an erasure.');

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.reservation', 'workspace_id', 'technical', 'billing', 'include', 'keep', 'workspace', 'The books must stay whole and add up; the workspace is a pseudonym with nobody behind it after an erasure.'),
('core.reservation', 'id', 'technical', 'billing', 'include', 'keep', 'workspace', 'The books must stay whole and add up; the workspace is a pseudonym with nobody behind it after an erasure.'),
('core.reservation', 'amount', 'technical', 'billing', 'include', 'keep', 'workspace', 'The books must stay whole and add up; the workspace is a pseudonym with nobody behind it after an erasure.'),
('core.reservation', 'settled_amount', 'technical', 'billing', 'include', 'keep', 'workspace', 'The books must stay whole and add up; the workspace is a pseudonym with nobody behind it after an erasure.'),
('core.reservation', 'expires_at', 'technical', 'billing', 'include', 'keep', 'workspace', 'The books must stay whole and add up; the workspace is a pseudonym with nobody behind it after an erasure.'),
('core.reservation', 'ended_at', 'technical', 'billing', 'include', 'keep', 'workspace', 'The books must stay whole and add up; the workspace is a pseudonym with nobody behind it after an erasure.'),
('core.reservation', 'unit', 'technical', 'billing', 'include', 'keep', 'workspace', 'The books must stay whole and add up; the workspace is a pseudonym with nobody behind it after an erasure.'),
('core.reservation', 'status', 'technical', 'billing', 'include', 'keep', 'workspace', 'The books must stay whole and add up; the workspace is a pseudonym with nobody behind it after an erasure.'),
('core.reservation', 'previous_status', 'technical', 'billing', 'include', 'keep', 'workspace', 'The books must stay whole and add up; the workspace is a pseudonym with nobody behind it after an erasure.'),
('core.reservation', 'purpose', 'technical', 'billing', 'include', 'keep', 'workspace', 'The books must stay whole and add up; the workspace is a pseudonym with nobody behind it after an erasure.'),
('core.reservation', 'key', 'technical', 'billing', 'include', 'keep', 'workspace', 'The books must stay whole and add up; the workspace is a pseudonym with nobody behind it after an erasure.');

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.ledger_transfer', 'workspace_id', 'technical', 'billing', 'include', 'keep', 'workspace', 'The books must stay whole and add up; the workspace is a pseudonym with nobody behind it after an erasure.'),
('core.ledger_transfer', 'id', 'technical', 'billing', 'include', 'keep', 'workspace', 'The books must stay whole and add up; the workspace is a pseudonym with nobody behind it after an erasure.'),
('core.ledger_transfer', 'reservation_id', 'technical', 'billing', 'include', 'keep', 'workspace', 'The books must stay whole and add up; the workspace is a pseudonym with nobody behind it after an erasure.'),
('core.ledger_transfer', 'amount', 'technical', 'billing', 'include', 'keep', 'workspace', 'The books must stay whole and add up; the workspace is a pseudonym with nobody behind it after an erasure.'),
('core.ledger_transfer', 'unit', 'technical', 'billing', 'include', 'keep', 'workspace', 'The books must stay whole and add up; the workspace is a pseudonym with nobody behind it after an erasure.'),
('core.ledger_transfer', 'kind', 'technical', 'billing', 'include', 'keep', 'workspace', 'The books must stay whole and add up; the workspace is a pseudonym with nobody behind it after an erasure.'),
('core.ledger_transfer', 'key', 'technical', 'billing', 'include', 'keep', 'workspace', 'The books must stay whole and add up; the workspace is a pseudonym with nobody behind it after an erasure.'),
('core.ledger_transfer', 'reason', 'personal', 'billing', 'include', 'anonymize', 'workspace', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.ledger_entry', 'workspace_id', 'technical', 'billing', 'include', 'keep', 'workspace', 'The books must stay whole and add up; the workspace is a pseudonym with nobody behind it after an erasure.'),
('core.ledger_entry', 'id', 'technical', 'billing', 'include', 'keep', 'workspace', 'The books must stay whole and add up; the workspace is a pseudonym with nobody behind it after an erasure.'),
('core.ledger_entry', 'transfer_id', 'technical', 'billing', 'include', 'keep', 'workspace', 'The books must stay whole and add up; the workspace is a pseudonym with nobody behind it after an erasure.'),
('core.ledger_entry', 'ledger_account_id', 'technical', 'billing', 'include', 'keep', 'workspace', 'The books must stay whole and add up; the workspace is a pseudonym with nobody behind it after an erasure.'),
('core.ledger_entry', 'amount', 'technical', 'billing', 'include', 'keep', 'workspace', 'The books must stay whole and add up; the workspace is a pseudonym with nobody behind it after an erasure.');
