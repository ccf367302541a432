-- Why:      the file with all that is known of a person lies sealed, and its link comes by mail without being in any table.
-- Change:   core.data_export_chunk.content is sealed; core.data_export.link_mailed; core.get_export_piece(), core.prepare_export_link().
-- Locks:    ACCESS EXCLUSIVE on core.data_export and core.data_export_chunk for a moment.
-- Data:     finished exports are deleted: they are not sealed, and only the worker has the key; people ask for another.
-- Old code: an old worker makes no export any more, its jobs wait for a new one; an old server hands out what is sealed.
-- Rollback: exports are deleted, for the same reason.
-- depends: 20261122_60_pre_core_create_data_export 20261122_70_pre_core_create_data_key 20261123_45_pre_core_delete_workspace

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- Their pieces go with them.
DELETE FROM core.data_export AS e
WHERE e.finished_at IS NOT NULL;

ALTER TABLE core.data_export ADD COLUMN link_mailed boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN core.data_export.link_mailed IS 'That the link was made for the mail: only such a one may another mail replace.';
COMMENT ON COLUMN core.data_export_chunk.content IS 'Sealed with the workspace''s data key, bound to export and number.';
-- allow constraint-missing-not-valid: unfinished exports have no pieces, and finished ones are gone.
ALTER TABLE core.data_export_chunk
ADD CONSTRAINT data_export_chunk_sealed CHECK (octet_length(content) > 45 AND substring(content FROM 1 FOR 1) = '\x01'::bytea);
GRANT UPDATE (link_mailed) ON core.data_export TO fivefold_api;

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.data_export', 'link_mailed', 'technical', 'account', 'include', 'delete', '7 days', NULL);

-- A piece for whoever has used up the link, with the wrapped key that opens it where the operator's keys are.
CREATE FUNCTION core.get_export_piece(used_hash bytea, number bigint)
RETURNS TABLE (workspace_id uuid, export_id uuid, data_key_id uuid, wrapped bytea, content bytea)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    SELECT c.workspace_id, c.export_id, k.id, k.wrapped, c.content
    FROM core.data_export AS e
    JOIN core.data_export_chunk AS c ON c.workspace_id = e.workspace_id AND c.export_id = e.id
    JOIN core.data_key AS k ON k.workspace_id = e.workspace_id
    WHERE e.used_hash = get_export_piece.used_hash
        AND e.used_at > now() - interval '1 hour'
        AND c.number = get_export_piece.number;
END;

-- The link for the mail, whose job has just made it: to the proven address of the person alone, while nobody has made another by
-- hand or downloaded the file. No row where there is nothing to mail.
CREATE FUNCTION core.prepare_export_link(export_id uuid, link_hash bytea)
RETURNS TABLE (email text, display_name text, expires_at timestamptz)
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    UPDATE core.data_export AS e
    SET link_hash = prepare_export_link.link_hash,
        link_expires_at = e.expires_at,
        link_mailed = true
    FROM core.account AS a
    WHERE e.workspace_id = core.current_workspace_id()
        AND e.id = prepare_export_link.export_id
        AND e.finished_at IS NOT NULL
        AND e.expires_at > now()
        AND e.used_at IS NULL
        AND (e.link_hash IS NULL OR e.link_mailed)
        AND a.id = e.account_id
        AND a.email_verified_at IS NOT NULL
    RETURNING a.email, a.display_name, e.expires_at;
END;

REVOKE ALL ON FUNCTION core.get_export_piece(bytea, bigint), core.prepare_export_link(uuid, bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION core.get_export_piece(bytea, bigint) TO fivefold_api;
GRANT EXECUTE ON FUNCTION core.prepare_export_link(uuid, bytea) TO fivefold_worker;
