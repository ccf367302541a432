-- Why:      a person may have all that is known of them, in a form that machines and people read.
-- Change:   core.data_export and core.data_export_chunk; core.page_export_row(), core.take_export(), core.get_export_chunk().
-- Locks:    SHARE ROW EXCLUSIVE on core.workspace and core.account while the foreign keys are added.
-- Data:     no rows of people are written; the new columns are classified.
-- Old code: nothing reads it yet.
-- Rollback: drops every export; people ask again.
-- depends: 20261122_58_pre_core_tell_of_exports 20261122_57_pre_core_create_erasure

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE core.data_export (
    workspace_id    uuid        NOT NULL CONSTRAINT data_export_workspace_id_fkey REFERENCES core.workspace (id),
    id              uuid        NOT NULL DEFAULT uuidv7(),
    account_id      uuid        NOT NULL CONSTRAINT data_export_account_id_fkey REFERENCES core.account (id),
    created_at      timestamptz NOT NULL DEFAULT now(),
    finished_at     timestamptz,
    expires_at      timestamptz NOT NULL DEFAULT now() + interval '7 days',
    link_expires_at timestamptz,
    used_at         timestamptz,
    size            bigint,
    digest          bytea,
    link_hash       bytea CONSTRAINT data_export_link_hash_key UNIQUE,
    used_hash       bytea CONSTRAINT data_export_used_hash_key UNIQUE,
    CONSTRAINT data_export_pkey PRIMARY KEY (workspace_id, id)
);

CREATE UNIQUE INDEX data_export_open_idx ON core.data_export (workspace_id) WHERE finished_at IS NULL;
-- Serves the foreign key.
CREATE INDEX data_export_account_id_idx ON core.data_export (account_id);
-- Serves the purge.
CREATE INDEX data_export_expires_at_idx ON core.data_export (expires_at);

CREATE TABLE core.data_export_chunk (
    workspace_id uuid   NOT NULL,
    export_id    uuid   NOT NULL,
    number       bigint NOT NULL,
    content      bytea  NOT NULL,
    CONSTRAINT data_export_chunk_pkey PRIMARY KEY (workspace_id, export_id, number),
    CONSTRAINT data_export_chunk_export_fkey FOREIGN KEY (workspace_id, export_id)
    REFERENCES core.data_export (workspace_id, id) ON DELETE CASCADE
);

COMMENT ON TABLE core.data_export IS 'owned. That a person asked for all that is known of them; it goes after seven days, with the file.';
COMMENT ON COLUMN core.data_export.digest IS 'sha256 of the whole file.';
COMMENT ON COLUMN core.data_export.link_hash IS 'sha256 of the random token of the one link that works; a new link ends the one before.';
COMMENT ON COLUMN core.data_export.used_hash IS 'That of the link that was used: by it the one who used it goes on reading, for an hour.';
COMMENT ON TABLE core.data_export_chunk IS 'owned. The file, in pieces: worker and API may run on different machines. Not audited: the export is.';

ALTER TABLE core.data_export ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.data_export FORCE ROW LEVEL SECURITY;
ALTER TABLE core.data_export_chunk ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.data_export_chunk FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON core.data_export TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
CREATE POLICY tenant ON core.data_export_chunk TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
-- The purge crosses workspaces, and sees nothing but what is due.
CREATE POLICY worker_all ON core.data_export FOR DELETE TO fivefold_worker USING (expires_at < now());
CREATE POLICY worker_all_select ON core.data_export FOR SELECT TO fivefold_worker USING (expires_at < now());
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON core.data_export TO fivefold_owner USING (true) WITH CHECK (true);
-- allow always-true-policy: as above.
CREATE POLICY owner ON core.data_export_chunk TO fivefold_owner USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON core.data_export TO fivefold_api;
GRANT UPDATE (link_hash, link_expires_at) ON core.data_export TO fivefold_api;
GRANT SELECT, DELETE ON core.data_export TO fivefold_worker;
GRANT UPDATE (finished_at, expires_at, size, digest) ON core.data_export TO fivefold_worker;
GRANT SELECT, INSERT, DELETE ON core.data_export_chunk TO fivefold_worker;

-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_insert AFTER INSERT ON core.data_export REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,account_id,finished_at,expires_at,link_expires_at,used_at');
CREATE TRIGGER audit_update AFTER UPDATE ON core.data_export REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,account_id,finished_at,expires_at,link_expires_at,used_at');
CREATE TRIGGER audit_delete AFTER DELETE ON core.data_export REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,account_id,finished_at,expires_at,link_expires_at,used_at');
ALTER TABLE core.data_export ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE core.data_export ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE core.data_export ENABLE ALWAYS TRIGGER audit_delete;

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.data_export', 'workspace_id', 'technical', 'account', 'include', 'delete', '7 days', NULL),
('core.data_export', 'id', 'technical', 'account', 'include', 'delete', '7 days', NULL),
('core.data_export', 'account_id', 'identifier', 'account', 'include', 'delete', '7 days', NULL),
('core.data_export', 'created_at', 'technical', 'account', 'include', 'delete', '7 days', NULL),
('core.data_export', 'finished_at', 'technical', 'account', 'include', 'delete', '7 days', NULL),
('core.data_export', 'expires_at', 'technical', 'account', 'include', 'delete', '7 days', NULL),
('core.data_export', 'link_expires_at', 'technical', 'account', 'include', 'delete', '7 days', NULL),
('core.data_export', 'used_at', 'technical', 'account', 'include', 'delete', '7 days', NULL),
('core.data_export', 'size', 'technical', 'account', 'include', 'delete', '7 days', NULL),
('core.data_export', 'digest', 'technical', 'account', 'include', 'delete', '7 days', NULL),
('core.data_export', 'link_hash', 'secret', 'security', 'omit', 'delete', '7 days', NULL),
('core.data_export', 'used_hash', 'secret', 'security', 'omit', 'delete', '7 days', NULL),
('core.data_export_chunk', 'workspace_id', 'technical', 'account', 'omit', 'delete', '7 days', NULL),
('core.data_export_chunk', 'export_id', 'technical', 'account', 'omit', 'delete', '7 days', NULL),
('core.data_export_chunk', 'number', 'technical', 'account', 'omit', 'delete', '7 days', NULL),
('core.data_export_chunk', 'content', 'sensitive', 'account', 'omit', 'delete', '7 days', 'An export is not part of the next one.');

-- Rows of one table for an export that is being made, in the order of its key, behind a key. What leaves is what the inventory
-- includes.
CREATE FUNCTION core.page_export_row(export_id uuid, object text, after jsonb, size integer)
RETURNS TABLE (key jsonb, content jsonb)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = ''
AS $$
DECLARE
    asked     core.data_export;
    condition text;
    keys      text;
    included  text;
    behind    text;
BEGIN
    SELECT * INTO asked
    FROM core.data_export AS e
    WHERE e.workspace_id = core.current_workspace_id()
        AND e.id = page_export_row.export_id
        AND e.finished_at IS NULL;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT string_agg(format('%L, t.%I', i.column_name, i.column_name), ', ' ORDER BY a.attnum) INTO included
    FROM core.data_inventory AS i
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.object::regclass AND a.attname = i.column_name
    WHERE i.object = page_export_row.object
        AND i.export_rule = 'include';
    IF included IS NULL THEN
        RETURN;
    END IF;
    condition := core.person_condition(object, false, (SELECT jsonb_agg(to_jsonb(l)) FROM core.list_subject() AS l));
    IF condition IS NULL THEN
        RETURN;
    END IF;
    SELECT
        string_agg(format('t.%I', a.attname), ', ' ORDER BY k.place),
        string_agg(format('($6 ->> %s)::%s', k.place - 1, format_type(a.atttypid, NULL)), ', ' ORDER BY k.place)
    INTO keys, behind
    FROM pg_catalog.pg_index AS x
    CROSS JOIN unnest(x.indkey::smallint[]) WITH ORDINALITY AS k (number, place)
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = x.indrelid AND a.attnum = k.number
    WHERE x.indrelid = object::regclass
        AND x.indisprimary;
    RETURN QUERY EXECUTE format(
        'SELECT jsonb_build_array(%1$s), jsonb_build_object(%2$s) FROM %3$s AS t'
        || ' WHERE (%4$s) AND ($6 IS NULL OR (%1$s) > (%5$s)) ORDER BY %1$s LIMIT $7',
        keys, included, object, condition, behind
    ) USING
        ARRAY[asked.account_id],
        ARRAY[asked.workspace_id],
        ARRAY(
            SELECT m.workspace_id
            FROM core.member AS m
            WHERE m.account_id = asked.account_id
                AND m.workspace_id <> asked.workspace_id
        ) || core.system_workspace_id(),
        ARRAY(SELECT a.email FROM core.account AS a WHERE a.id = asked.account_id),
        ARRAY[]::text[],
        after,
        size;
END
$$;

-- Uses up a link: of two who come at once one is served.
CREATE FUNCTION core.take_export(link_hash bytea) RETURNS TABLE (export_id uuid, size bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ''
AS $$
DECLARE
    taken core.data_export;
BEGIN
    UPDATE core.data_export AS e
    SET used_hash = e.link_hash, used_at = now(), link_hash = NULL
    WHERE e.link_hash = take_export.link_hash
        AND e.link_expires_at > now()
        AND e.expires_at > now()
        AND e.finished_at IS NOT NULL
    RETURNING e.* INTO taken;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM core.append_audit(taken.workspace_id, taken.account_id, 'EXPORT', 'core.data_export', taken.id, '{"step": "downloaded"}');
    RETURN QUERY SELECT taken.id, taken.size;
END
$$;

CREATE FUNCTION core.get_export_chunk(used_hash bytea, number bigint) RETURNS TABLE (content bytea)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    SELECT c.content
    FROM core.data_export AS e
    JOIN core.data_export_chunk AS c ON c.workspace_id = e.workspace_id AND c.export_id = e.id
    WHERE e.used_hash = get_export_chunk.used_hash
        AND e.used_at > now() - interval '1 hour'
        AND c.number = get_export_chunk.number;
END;

REVOKE ALL ON FUNCTION
core.page_export_row(uuid, text, jsonb, integer),
core.take_export(bytea),
core.get_export_chunk(bytea, bigint)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION core.page_export_row(uuid, text, jsonb, integer) TO fivefold_worker;
GRANT EXECUTE ON FUNCTION core.take_export(bytea), core.get_export_chunk(bytea, bigint) TO fivefold_api;
