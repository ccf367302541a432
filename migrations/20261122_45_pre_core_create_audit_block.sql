-- Why:      who runs the database could still change an event unseen; a sealed one cannot be changed without it showing.
-- Change:   core.audit_block, core.audit_node, core.audit_key, an index on core.audit_event (xid), and the functions that seal.
-- Locks:    SHARE on core.audit_event while the index is built: mutations wait for seconds on a large audit.
-- Data:     no rows are written but those of the inventory; the worker seals what there is once it has a key.
-- Old code: goes on; it seals nothing.
-- Rollback: drops the seals; sealing begins anew from the first event when the migration comes back.
-- depends: 20261122_02_pre_core_create_data_inventory

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '600s';

-- The sealer takes events by transaction, and so does who verifies. Events of one transaction share an entry of this index.
-- allow require-concurrent-index-creation: not possible on a partitioned table; its parts are small when this runs.
CREATE INDEX audit_event_xid_idx ON core.audit_event (xid);

CREATE TABLE core.audit_key (
    id         uuid        NOT NULL DEFAULT uuidv7(),
    created_at timestamptz NOT NULL DEFAULT now(),
    public_key bytea       NOT NULL CONSTRAINT audit_key_public_key_length CHECK (octet_length(public_key) = 32),
    origin     text        NOT NULL CONSTRAINT audit_key_origin_form CHECK (origin ~ '^[^[:space:]+]{1,200}$'),
    CONSTRAINT audit_key_pkey PRIMARY KEY (id),
    CONSTRAINT audit_key_public_key_origin_key UNIQUE (public_key, origin)
);

COMMENT ON TABLE core.audit_key IS 'shared. Public keys that seal; who verifies trusts a key that was kept elsewhere, not these.';

-- allow prefer-bigint-over-int: eras count restores.
CREATE TABLE core.audit_block (
    number    bigint      NOT NULL CONSTRAINT audit_block_number_positive CHECK (number > 0),
    first     bigint      NOT NULL,
    size      bigint      NOT NULL,
    cluster   bigint      NOT NULL,
    horizon   xid8        NOT NULL,
    next_xid  xid8        NOT NULL,
    sealed_at timestamptz NOT NULL,
    era       integer     NOT NULL CONSTRAINT audit_block_era_not_negative CHECK (era >= 0),
    origin    text        NOT NULL,
    root      bytea       NOT NULL CONSTRAINT audit_block_root_length CHECK (octet_length(root) = 32),
    previous  bytea       NOT NULL CONSTRAINT audit_block_previous_length CHECK (octet_length(previous) = 32),
    key_id    bytea       NOT NULL CONSTRAINT audit_block_key_id_length CHECK (octet_length(key_id) = 4),
    signature bytea       NOT NULL CONSTRAINT audit_block_signature_length CHECK (octet_length(signature) = 64),
    leaves    bytea       NOT NULL CONSTRAINT audit_block_leaves_length CHECK (octet_length(leaves) = (size - first) * 48),
    CONSTRAINT audit_block_pkey PRIMARY KEY (number),
    CONSTRAINT audit_block_era_horizon_key UNIQUE (era, horizon)
);

-- Serves who looks for a leaf by its position.
CREATE INDEX audit_block_size_idx ON core.audit_block (size);

COMMENT ON TABLE core.audit_block IS 'shared. Seals: batches of events, each with the root of the tree over all events so far, signed. Append-only; tells of nobody.';
COMMENT ON COLUMN core.audit_block.first IS 'Position of its first leaf, from 0.';
COMMENT ON COLUMN core.audit_block.size IS 'How many leaves the tree has with it.';
COMMENT ON COLUMN core.audit_block.cluster IS 'PostgreSQL''s identifier of the cluster: transactions are counted anew where another one begins.';
COMMENT ON COLUMN core.audit_block.horizon IS 'All events of its era with a lesser xid are sealed by now; that of the first block of an era is where it begins.';
COMMENT ON COLUMN core.audit_block.next_xid IS 'Transactions from this one on began after sealed_at: an event of theirs that says it is older was made up.';
COMMENT ON COLUMN core.audit_block.era IS 'Counts how often transactions began to be counted anew: after a dump was restored into another cluster.';
COMMENT ON COLUMN core.audit_block.previous IS 'sha256 of the text that the block before signed.';
COMMENT ON COLUMN core.audit_block.leaves IS '16 bytes of the event''s id and 32 of its leaf''s hash, for each event in the order of (xid, id).';
-- Hashes do not compress, and parts of them are read.
ALTER TABLE core.audit_block ALTER COLUMN leaves SET STORAGE EXTERNAL;

-- allow prefer-bigint-over-int: a tree has fewer than 64 levels.
CREATE TABLE core.audit_node (
    level integer NOT NULL CONSTRAINT audit_node_level_known CHECK (level IN (8, 16, 24, 32, 40)),
    index bigint  NOT NULL CONSTRAINT audit_node_index_not_negative CHECK (index >= 0),
    hash  bytea   NOT NULL CONSTRAINT audit_node_hash_length CHECK (octet_length(hash) = 32),
    CONSTRAINT audit_node_pkey PRIMARY KEY (level, index)
);

COMMENT ON TABLE core.audit_node IS 'shared. Hashes of perfect subtrees on every eighth level, so that a proof need not read all leaves. Append-only, derived.';

ALTER TABLE core.audit_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.audit_key FORCE ROW LEVEL SECURITY;
ALTER TABLE core.audit_block ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.audit_block FORCE ROW LEVEL SECURITY;
ALTER TABLE core.audit_node ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.audit_node FORCE ROW LEVEL SECURITY;

-- allow always-true-policy: public keys are for everybody.
CREATE POLICY reader ON core.audit_key FOR SELECT TO fivefold_api, fivefold_worker, fivefold_auditor USING (true);
-- allow always-true-policy: hashes and random ids tell of nobody, and a proof needs those of others.
CREATE POLICY reader ON core.audit_block FOR SELECT TO fivefold_api, fivefold_worker, fivefold_auditor USING (true);
-- allow always-true-policy: as above.
CREATE POLICY reader ON core.audit_node FOR SELECT TO fivefold_api, fivefold_worker, fivefold_auditor USING (true);
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON core.audit_key TO fivefold_owner USING (true) WITH CHECK (true);
-- allow always-true-policy: as above.
CREATE POLICY owner ON core.audit_block TO fivefold_owner USING (true) WITH CHECK (true);
-- allow always-true-policy: as above.
CREATE POLICY owner ON core.audit_node TO fivefold_owner USING (true) WITH CHECK (true);
GRANT SELECT ON core.audit_key, core.audit_block, core.audit_node TO fivefold_api, fivefold_worker, fivefold_auditor;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON core.audit_block
FOR EACH ROW EXECUTE FUNCTION core.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON core.audit_block
FOR EACH STATEMENT EXECUTE FUNCTION core.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON core.audit_node
FOR EACH ROW EXECUTE FUNCTION core.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON core.audit_node
FOR EACH STATEMENT EXECUTE FUNCTION core.refuse_change();
ALTER TABLE core.audit_block ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE core.audit_block ENABLE ALWAYS TRIGGER append_only_truncate;
ALTER TABLE core.audit_node ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE core.audit_node ENABLE ALWAYS TRIGGER append_only_truncate;

CREATE TRIGGER audit_insert AFTER INSERT ON core.audit_key REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'id', 'public_key,origin');
CREATE TRIGGER audit_update AFTER UPDATE ON core.audit_key REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'id', 'public_key,origin');
CREATE TRIGGER audit_delete AFTER DELETE ON core.audit_key REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'id', 'public_key,origin');
ALTER TABLE core.audit_key ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE core.audit_key ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE core.audit_key ENABLE ALWAYS TRIGGER audit_delete;

-- The worker may see the events of every workspace, never their details, but only to seal them: finished ones, by transaction.
-- No more than so many, unless one transaction has more: it is never cut. behind is up to where they reach.
CREATE FUNCTION core.list_unsealed_event(since xid8, until xid8, max_rows integer) RETURNS TABLE (
    behind xid8, workspace_id uuid, id uuid, actor_id uuid, api_key_id uuid, request_id uuid, object_id uuid,
    xid xid8, form smallint, action text, object text, commitment bytea
)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = ''
AS $$
DECLARE
    lowest xid8;
    reached xid8;
BEGIN
    until := least(until, pg_snapshot_xmin(pg_current_snapshot()));
    SELECT e.xid INTO lowest FROM core.audit_event AS e WHERE e.xid >= since AND e.xid < until ORDER BY e.xid LIMIT 1;
    SELECT e.xid INTO reached FROM core.audit_event AS e WHERE e.xid >= since AND e.xid < until ORDER BY e.xid
    OFFSET max_rows LIMIT 1;
    reached := coalesce(greatest(reached, CASE WHEN reached IS NOT NULL THEN (lowest::text::bigint + 1)::text::xid8 END), until);
    RETURN QUERY
    SELECT reached, e.workspace_id, e.id, e.actor_id, e.api_key_id, e.request_id, e.object_id, e.xid, e.form, e.action, e.object,
        e.commitment
    FROM core.audit_event AS e
    WHERE e.xid >= since AND e.xid < reached
    ORDER BY e.xid, e.id;
END
$$;

-- All events, of transactions that ended, by page: to find the unsealed ones where transactions are counted anew.
CREATE FUNCTION core.list_every_event(past_id uuid, past_workspace_id uuid, max_rows integer) RETURNS TABLE (
    workspace_id uuid, id uuid, actor_id uuid, api_key_id uuid, request_id uuid, object_id uuid,
    xid xid8, form smallint, action text, object text, commitment bytea
)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
AS $$
    SELECT e.workspace_id, e.id, e.actor_id, e.api_key_id, e.request_id, e.object_id, e.xid, e.form, e.action, e.object, e.commitment
    FROM core.audit_event AS e
    WHERE (e.id, e.workspace_id) > (past_id, past_workspace_id)
    ORDER BY e.id, e.workspace_id
    LIMIT max_rows
$$;

-- Whether there are events of transactions that this cluster has not come to: a dump was restored here.
CREATE FUNCTION core.audit_comes_from_elsewhere() RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
RETURN EXISTS (SELECT FROM core.audit_event AS e WHERE e.xid >= pg_snapshot_xmax(pg_current_snapshot()));

-- The one door to the blocks: it opens at the end of the chain only. Nothing is sealed above the oldest running transaction.
CREATE FUNCTION core.append_audit_block(
    number bigint, first bigint, size bigint, cluster bigint, horizon xid8, next_xid xid8, sealed_at timestamptz, era integer,
    origin text, root bytea, previous bytea, key_id bytea, signature bytea, leaves bytea, public_key bytea,
    levels integer[], indexes bigint[], hashes bytea[]
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ''
AS $$
DECLARE
    last core.audit_block;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('core.audit_block'));
    SELECT b.* INTO last FROM core.audit_block AS b ORDER BY b.number DESC LIMIT 1;
    IF append_audit_block.number <> coalesce(last.number, 0) + 1
        OR append_audit_block.first <> coalesce(last.size, 0)
        OR append_audit_block.size < append_audit_block.first
        OR append_audit_block.size = append_audit_block.first AND append_audit_block.era = 0
        OR append_audit_block.era NOT IN (coalesce(last.era, 0), coalesce(last.era, 0) + 1)
        OR append_audit_block.era = last.era AND append_audit_block.horizon <= last.horizon
        OR append_audit_block.horizon > pg_snapshot_xmin(pg_current_snapshot())
    THEN
        RAISE EXCEPTION 'a block is appended behind the last one, of what has ended' USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO core.audit_key (public_key, origin)
    VALUES (append_audit_block.public_key, append_audit_block.origin)
    ON CONFLICT DO NOTHING;
    INSERT INTO core.audit_block (
        number, first, size, cluster, horizon, next_xid, sealed_at, era, origin, root, previous, key_id, signature, leaves
    )
    VALUES (
        append_audit_block.number, append_audit_block.first, append_audit_block.size, append_audit_block.cluster,
        append_audit_block.horizon, append_audit_block.next_xid, append_audit_block.sealed_at, append_audit_block.era,
        append_audit_block.origin, append_audit_block.root, append_audit_block.previous, append_audit_block.key_id,
        append_audit_block.signature, append_audit_block.leaves
    );
    INSERT INTO core.audit_node (level, index, hash)
    SELECT n.level, n.index, n.hash
    FROM unnest(append_audit_block.levels, append_audit_block.indexes, append_audit_block.hashes) AS n (level, index, hash);
END
$$;

-- How far the seals lag behind: events that wait, 100,000 at most, and the seconds since the oldest of them happened.
CREATE FUNCTION core.measure_audit_lag() RETURNS TABLE (unsealed bigint, seconds double precision, blocks bigint)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
AS $$
    WITH last AS (
        SELECT b.number, b.horizon, b.era,
            (SELECT min(o.sealed_at) FROM core.audit_block AS o WHERE o.era = b.era) - interval '1 hour' AS since
        FROM core.audit_block AS b
        ORDER BY b.number DESC
        LIMIT 1
    ),
    waiting AS (
        SELECT e.id
        FROM core.audit_event AS e
        WHERE e.xid >= coalesce((SELECT l.horizon FROM last AS l), '0')
            -- Transactions that were counted elsewhere may have had numbers that are still to come here.
            AND (coalesce((SELECT l.era FROM last AS l), 0) = 0 OR e.id >= core.uuidv7_floor((SELECT l.since FROM last AS l)))
        LIMIT 100000
    )
    SELECT count(*),
        greatest(coalesce(extract(epoch FROM clock_timestamp() - min(uuid_extract_timestamp(w.id))), 0), 0)::double precision,
        coalesce((SELECT l.number FROM last AS l), 0)
    FROM waiting AS w
$$;

REVOKE ALL ON FUNCTION
core.list_unsealed_event(xid8, xid8, integer),
core.list_every_event(uuid, uuid, integer),
core.audit_comes_from_elsewhere(),
core.append_audit_block(
    bigint, bigint, bigint, bigint, xid8, xid8, timestamptz, integer, text, bytea, bytea, bytea, bytea, bytea, bytea,
    integer[], bigint[], bytea[]
),
core.measure_audit_lag()
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
core.list_unsealed_event(xid8, xid8, integer),
core.list_every_event(uuid, uuid, integer),
core.audit_comes_from_elsewhere(),
core.append_audit_block(
    bigint, bigint, bigint, bigint, xid8, xid8, timestamptz, integer, text, bytea, bytea, bytea, bytea, bytea, bytea,
    integer[], bigint[], bytea[]
)
TO fivefold_worker;
GRANT EXECUTE ON FUNCTION core.measure_audit_lag() TO fivefold_api, fivefold_worker;

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason)
SELECT c.object, c.column_name, 'shared', 'audit', 'omit', 'keep', 'for ever', 'Hashes, random ids and numbers of a public log: they tell of nobody.'
FROM (
    VALUES
    ('core.audit_key', 'id'), ('core.audit_key', 'created_at'), ('core.audit_key', 'public_key'), ('core.audit_key', 'origin'),
    ('core.audit_block', 'number'), ('core.audit_block', 'first'), ('core.audit_block', 'size'), ('core.audit_block', 'cluster'),
    ('core.audit_block', 'horizon'), ('core.audit_block', 'next_xid'), ('core.audit_block', 'sealed_at'),
    ('core.audit_block', 'era'), ('core.audit_block', 'origin'), ('core.audit_block', 'root'), ('core.audit_block', 'previous'),
    ('core.audit_block', 'key_id'), ('core.audit_block', 'signature'), ('core.audit_block', 'leaves'),
    ('core.audit_node', 'level'), ('core.audit_node', 'index'), ('core.audit_node', 'hash')
) AS c (object, column_name);
