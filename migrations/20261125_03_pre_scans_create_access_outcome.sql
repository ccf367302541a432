-- Why:      what a worker touched that was killed before it could write was in no log. An access is written before anything is
--           connected to, and how it went afterwards, in a row of its own, because neither is ever changed.
-- Change:   scans.access_outcome, scans.keep_access_outcome(); scans.purge_access() takes outcomes along.
-- Locks:    SHARE ROW EXCLUSIVE on scans.access while the foreign key is added.
-- Data:     no rows but those of the inventory.
-- Old code: goes on: it writes accesses that say themselves how they went, and such rows stay.
-- Rollback: drops how accesses went, and what the audit told of it stays; they look as if nobody knew.
-- depends: 20261125_02_pre_core_hasten_books 20261125_10_pre_scans_bound_lists 20261124_20_pre_scans_create_access 20261122_55_pre_core_classify_columns

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow prefer-bigint-over-smallint: statuses of HTTP.
-- allow prefer-bigint-over-int: milliseconds of at most a minute.
CREATE TABLE scans.access_outcome (
    workspace_id       uuid     NOT NULL,
    access_id          uuid     NOT NULL,
    milliseconds       integer  NOT NULL CONSTRAINT access_outcome_milliseconds_not_negative CHECK (milliseconds >= 0),
    status             smallint CONSTRAINT access_outcome_status_range CHECK (status BETWEEN 100 AND 599),
    failure            text     CONSTRAINT access_outcome_failure_form CHECK (failure ~ '^[A-Z][A-Z_]{1,39}$'),
    content_sha256     bytea    CONSTRAINT access_outcome_content_length CHECK (octet_length(content_sha256) = 32),
    certificate_sha256 bytea    CONSTRAINT access_outcome_certificate_length CHECK (octet_length(certificate_sha256) = 32),
    CONSTRAINT access_outcome_pkey PRIMARY KEY (workspace_id, access_id),
    CONSTRAINT access_outcome_access_fkey FOREIGN KEY (workspace_id, access_id) REFERENCES scans.access (workspace_id, id),
    CONSTRAINT access_outcome_says_something CHECK (status IS NOT NULL OR failure IS NOT NULL)
);

COMMENT ON TABLE scans.access_outcome IS 'owned. Append-only: how an access went that was written before it. Without one nobody knows: its worker was lost.';
COMMENT ON COLUMN scans.access_outcome.failure IS 'Why it has no answer, or why nothing followed it, as a word of the code.';
COMMENT ON COLUMN scans.access_outcome.content_sha256 IS 'Of what was read of the page that a scan ended at, or of its icon.';
COMMENT ON TABLE scans.access IS 'owned. Append-only: one request of a scan, written before anything is connected to, or the refusal to make it. When, its id says.';

ALTER TABLE scans.access_outcome ENABLE ROW LEVEL SECURITY;
ALTER TABLE scans.access_outcome FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON scans.access_outcome TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON scans.access_outcome TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT ON scans.access_outcome TO fivefold_api;
GRANT SELECT, INSERT ON scans.access_outcome TO fivefold_worker;

-- As scans.keep_access(): nothing goes but what is past its time, and what an erasure takes.
CREATE FUNCTION scans.keep_access_outcome() RETURNS trigger
LANGUAGE plpgsql
SET search_path = ''
AS $$
BEGIN
    IF OLD.access_id < core.uuidv7_floor(now() - interval '400 days')
        OR EXISTS (SELECT FROM core.erasure AS e WHERE e.xid = pg_current_xact_id())
    THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'scans.access_outcome is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;

REVOKE ALL ON FUNCTION scans.keep_access_outcome() FROM PUBLIC;

CREATE TRIGGER append_only BEFORE UPDATE ON scans.access_outcome
FOR EACH ROW EXECUTE FUNCTION core.refuse_change();
CREATE TRIGGER append_only_delete BEFORE DELETE ON scans.access_outcome
FOR EACH ROW EXECUTE FUNCTION scans.keep_access_outcome();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON scans.access_outcome
FOR EACH STATEMENT EXECUTE FUNCTION core.refuse_change();
-- ALWAYS: session_replication_role = replica switches ordinary triggers off.
ALTER TABLE scans.access_outcome ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE scans.access_outcome ENABLE ALWAYS TRIGGER append_only_delete;
ALTER TABLE scans.access_outcome ENABLE ALWAYS TRIGGER append_only_truncate;

-- Every column is told, so that a sealed event proves the whole row; see list_altered_access in sql/scans/access.sql, which
-- names the same columns.
CREATE TRIGGER audit_insert AFTER INSERT ON scans.access_outcome REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'access_id', 'milliseconds,status,failure,sha256:content_sha256,sha256:certificate_sha256');
CREATE TRIGGER audit_delete AFTER DELETE ON scans.access_outcome REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'access_id', 'access_id');
ALTER TABLE scans.access_outcome ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE scans.access_outcome ENABLE ALWAYS TRIGGER audit_delete;

-- What is past its time goes, of the caller's workspace, the oldest first; which rows those were. No login may delete any itself.
CREATE OR REPLACE FUNCTION scans.purge_access(max_rows integer) RETURNS uuid[]
LANGUAGE sql SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    WITH old AS MATERIALIZED (
        SELECT o.id
        FROM scans.access AS o
        WHERE o.workspace_id = core.current_workspace_id()
            AND o.id < core.uuidv7_floor(now() - interval '400 days')
        ORDER BY o.id
        LIMIT purge_access.max_rows
    ),
    ended AS (
        DELETE FROM scans.access_outcome AS e
        WHERE e.workspace_id = core.current_workspace_id()
            AND e.access_id IN (SELECT o.id FROM old AS o)
    ),
    gone AS (
        DELETE FROM scans.access AS a
        WHERE a.workspace_id = core.current_workspace_id()
            AND a.id IN (SELECT o.id FROM old AS o)
        RETURNING a.id
    )
    SELECT coalesce(array_agg(g.id), '{}') FROM gone AS g;
END;

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('scans.access_outcome', 'workspace_id', 'technical', 'service', 'include', 'delete', '400 days', NULL),
('scans.access_outcome', 'access_id', 'technical', 'service', 'include', 'delete', '400 days', NULL),
('scans.access_outcome', 'milliseconds', 'technical', 'service', 'include', 'delete', '400 days', NULL),
('scans.access_outcome', 'status', 'technical', 'service', 'include', 'delete', '400 days', NULL),
('scans.access_outcome', 'failure', 'technical', 'service', 'include', 'delete', '400 days', NULL),
('scans.access_outcome', 'content_sha256', 'technical', 'service', 'include', 'delete', '400 days', NULL),
('scans.access_outcome', 'certificate_sha256', 'technical', 'service', 'include', 'delete', '400 days', NULL);
