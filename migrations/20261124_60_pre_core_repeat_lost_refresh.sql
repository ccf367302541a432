-- Why:      a refresh whose answer was lost, or that two tabs sent at once, ended the session of a person who did nothing wrong.
-- Change:   core.session.refreshed_from; core.refresh_session() with a grace.
-- Locks:    ACCESS EXCLUSIVE on core.session for a moment: no rewrite.
-- Data:     one row of the data inventory.
-- Old code: goes on with the function as it was; what it refreshes is never repeated.
-- Rollback: every second use of a refresh token ends its session again.
-- depends: 20261122_06_pre_core_create_session 20261123_45_pre_core_delete_workspace

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

ALTER TABLE core.session ADD COLUMN refreshed_from bytea;
COMMENT ON COLUMN core.session.refreshed_from IS 'sha256 of the client and network that refreshed it last: they alone may hear the same answer again.';

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.session', 'refreshed_from', 'personal', 'security', 'omit', 'delete', '30 days after its end', 'A hash of what client and address say.');

-- Takes the newest refresh token of a session for the next. An older one was used before: somebody else has it, and nobody can
-- tell who of the two is the thief, so the session ends for both. The exception is REPEATED, which changes nothing: what would
-- follow the token that is shown is what follows now, which only the server can have made, and the same client asks within the
-- grace.
CREATE FUNCTION core.refresh_session(
    family_hash bytea, turn_hash bytea, next_turn_hash bytea, client text, address text, idle interval, grace interval
)
RETURNS TABLE (outcome text, session_id uuid, account_id uuid, idle_until timestamptz, expires_at timestamptz)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = ''
AS $$
DECLARE
    found  core.session;
    origin bytea := sha256(convert_to(concat_ws(E'\n', refresh_session.address, refresh_session.client), 'UTF8'));
BEGIN
    SELECT s.* INTO found FROM core.session AS s WHERE s.family_hash = refresh_session.family_hash FOR NO KEY UPDATE;
    IF found.id IS NULL THEN
        RETURN;
    END IF;
    IF found.ended_at IS NOT NULL OR found.idle_until <= clock_timestamp() THEN
        RETURN QUERY SELECT 'ENDED', found.id, found.account_id, found.idle_until, found.expires_at;
    ELSIF found.turn_hash = refresh_session.turn_hash THEN
        RETURN QUERY
        UPDATE core.session AS s
        SET turn_hash = refresh_session.next_turn_hash,
            refreshed_at = clock_timestamp(),
            refreshed_from = origin,
            idle_until = least(clock_timestamp() + refresh_session.idle, s.expires_at)
        WHERE s.id = found.id
        RETURNING 'REFRESHED', s.id, s.account_id, s.idle_until, s.expires_at;
    ELSIF found.turn_hash = refresh_session.next_turn_hash
        AND found.refreshed_from = origin
        AND found.refreshed_at > clock_timestamp() - refresh_session.grace
    THEN
        RETURN QUERY SELECT 'REPEATED', found.id, found.account_id, found.idle_until, found.expires_at;
    ELSE
        UPDATE core.session AS s SET ended_at = clock_timestamp() WHERE s.id = found.id;
        PERFORM core.append_audit(
            w.id, NULL, 'TOKEN_REUSED', 'core.account', found.account_id,
            jsonb_build_object('session_id', found.id, 'client', refresh_session.client, 'address', refresh_session.address)
        )
        FROM core.workspace AS w
        WHERE w.personal_account_id = found.account_id;
        RETURN QUERY SELECT 'REUSED', found.id, found.account_id, found.idle_until, found.expires_at;
    END IF;
END
$$;

REVOKE ALL ON FUNCTION core.refresh_session(bytea, bytea, bytea, text, text, interval, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION core.refresh_session(bytea, bytea, bytea, text, text, interval, interval) TO fivefold_api;
