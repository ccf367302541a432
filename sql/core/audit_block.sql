-- Audit blocks: the seals of the audit. Hashes and random ids, which tell of nobody; events are read by who seals or verifies.
-- Tables: core.audit_block, core.audit_node, core.audit_key

-- name: get_audit_lag :one
-- How far the seals lag behind, for metrics and doctor.
SELECT l.unsealed, l.seconds, l.blocks
FROM core.measure_audit_lag() AS l;

-- name: get_audit_moment :one
-- What has ended by now and what has begun. The time is taken before the snapshot is.
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon,
    pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next_xid,
    statement_timestamp() AS sealed_at, c.system_identifier AS cluster, core.audit_comes_from_elsewhere() AS elsewhere
FROM pg_control_system() AS c;

-- name: get_last_audit_block :one
-- The end of the chain.
SELECT b.number, b.first, b.size, b.cluster, b.horizon::text::bigint AS horizon, b.next_xid::text::bigint AS next_xid,
    b.sealed_at, b.era, b.origin, b.root, b.previous, b.key_id, b.signature
FROM core.audit_block AS b
ORDER BY b.number DESC
LIMIT 1;

-- name: insert_audit_block :exec
-- Behind the last one, by the function that lets nothing else in.
SELECT core.append_audit_block(
    :number::bigint, :first::bigint, :size::bigint, :cluster::bigint, :horizon::bigint::text::xid8, :next_xid::bigint::text::xid8,
    :sealed_at::timestamptz, :era::integer, :origin::text, :root::bytea, :previous::bytea, :key_id::bytea, :signature::bytea,
    :leaves::bytea, :public_key::bytea, :levels::integer[], :indexes::bigint[], :hashes::bytea[]);

-- name: list_audit_block :many
-- All of it from a number on, in order, to be verified.
SELECT b.number, b.first, b.size, b.cluster, b.horizon::text::bigint AS horizon, b.next_xid::text::bigint AS next_xid,
    b.sealed_at, b.era, b.origin, b.root, b.previous, b.key_id, b.signature, b.leaves
FROM core.audit_block AS b
WHERE b.number >= :first_number
    AND b.number <= :last_number
    AND b.era = :era  -- if :era
ORDER BY b.number;

-- name: list_audit_block_of :many
-- The blocks of an era in which events of these transactions may be; where counting begins anew, its first holds any.
SELECT b.number, b.first, b.leaves
FROM core.audit_block AS b
WHERE b.number IN (
    SELECT found.number
    FROM unnest(:xids::bigint[]) AS x (xid)
    CROSS JOIN LATERAL (
        SELECT o.number
        FROM core.audit_block AS o
        WHERE o.era = :era
            AND o.horizon > x.xid::text::xid8
        ORDER BY o.horizon
        LIMIT 1
    ) AS found
    UNION ALL
    (
        SELECT o.number
        FROM core.audit_block AS o
        WHERE o.era = :era
            AND o.era > 0
        ORDER BY o.horizon
        LIMIT 1
    )
);

-- name: list_audit_checkpoint :many
-- Blocks past a size of the tree, without their leaves.
SELECT b.number, b.first, b.size, b.cluster, b.horizon::text::bigint AS horizon, b.next_xid::text::bigint AS next_xid,
    b.sealed_at, b.era, b.origin, b.root, b.previous, b.key_id, b.signature
FROM core.audit_block AS b
WHERE b.size > :past_size
ORDER BY b.size, b.number
LIMIT :limit;

-- name: list_audit_key :many
-- Every key that has ever sealed.
SELECT k.public_key, k.origin
FROM core.audit_key AS k
ORDER BY k.id;

-- name: list_audit_leaf :many
-- Pieces of blocks: the leaves at these positions.
SELECT greatest(b.first, k.begins) AS first,
    substring(
        b.leaves
        FROM ((greatest(b.first, k.begins) - b.first) * 48 + 1)::integer
        FOR ((least(b.size, k.ends) - greatest(b.first, k.begins)) * 48)::integer
    ) AS leaves
FROM unnest(:begins::bigint[], :ends::bigint[]) AS k (begins, ends)
JOIN core.audit_block AS b
    ON b.size > k.begins
    AND b.size <= (SELECT min(o.size) FROM core.audit_block AS o WHERE o.size >= k.ends)
WHERE b.first < k.ends;

-- name: list_audit_node :many
-- Kept nodes of the tree.
SELECT n.level, n.index, n.hash
FROM unnest(:levels::integer[], :begins::bigint[], :ends::bigint[]) AS k (level, begins, ends)
JOIN core.audit_node AS n ON n.level = k.level AND n.index >= k.begins AND n.index < k.ends;

-- name: list_detail_without_event :many
-- A detail whose event is gone, or never was.
SELECT d.event_id
FROM core.audit_detail AS d
WHERE NOT EXISTS (
    SELECT FROM core.audit_event AS e WHERE e.workspace_id = d.workspace_id AND e.id = d.event_id
)
ORDER BY d.event_id
LIMIT :limit;

-- name: list_event_between :many
-- Where transactions are counted anew, what is not sealed yet is found by looking at everything once; and a month before it goes.
SELECT e.workspace_id, e.id, e.actor_id, e.api_key_id, e.request_id, e.object_id, e.xid::text::bigint AS xid, e.form, e.action,
    e.object, e.commitment
FROM core.list_event_between(:begins::uuid, :ends::uuid, :past_xid::bigint::text::xid8, :past_id::uuid, :max_rows::integer) AS e;

-- name: list_sealed_event :many
-- As list_verified_event, for an auditor, who may not read details.
SELECT e.workspace_id, e.id, e.actor_id, e.api_key_id, e.request_id, e.object_id, e.xid::text::bigint AS xid, e.form, e.action,
    e.object, e.commitment
FROM core.audit_event AS e
WHERE e.xid >= :since::bigint::text::xid8
    AND e.xid < :until::bigint::text::xid8
ORDER BY e.xid, e.id;

-- name: list_unsealed_event :many
-- What has ended since the last block, of whichever workspace.
SELECT e.behind::text::bigint AS behind, e.workspace_id, e.id, e.actor_id, e.api_key_id, e.request_id, e.object_id,
    e.xid::text::bigint AS xid, e.form, e.action, e.object, e.commitment
FROM core.list_unsealed_event(:since::bigint::text::xid8, :until::bigint::text::xid8, :max_rows) AS e;

-- name: list_verified_event :many
-- Every event with what is left of its detail, by transaction, to be compared with the seals.
SELECT e.workspace_id, e.id, e.actor_id, e.api_key_id, e.request_id, e.object_id, e.xid::text::bigint AS xid, e.form, e.action,
    e.object, e.commitment, d.salt, d.detail::text AS detail
FROM core.audit_event AS e
LEFT JOIN core.audit_detail AS d ON d.workspace_id = e.workspace_id AND d.event_id = e.id
WHERE e.xid >= :since::bigint::text::xid8
    AND e.xid < :until::bigint::text::xid8
ORDER BY e.xid, e.id;

-- name: take_audit_seal :one
-- One sealer at a time; who comes second has nothing to do.
SELECT pg_try_advisory_xact_lock(hashtext('core.audit_block')) AS taken;
