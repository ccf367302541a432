-- Replica: how far a server has written, or replayed, the write-ahead log.

-- name: get_wal_position :one
-- Where a server stands in the write-ahead log: what it has written, or replayed where it is a standby.
SELECT
    left(encode(sha256(convert_to(control.system_identifier::text, 'UTF8')), 'hex'), 8) AS cluster,
    pg_is_in_recovery() AS standby,
    (
        CASE WHEN pg_is_in_recovery() THEN COALESCE(pg_last_wal_replay_lsn(), '0/0') ELSE pg_current_wal_insert_lsn() END
        - '0/0'::pg_lsn
    )::bigint AS position
FROM pg_control_system() AS control;
