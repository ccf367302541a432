-- Why:      whoever asks for a scan must be able to prove what was touched for it: every address of every hop, and nothing of ours.
-- Change:   scans.is_public(), scans.access, scans.purge_access(), scans.list_old_access().
-- Locks:    SHARE ROW EXCLUSIVE on scans.scan while the foreign key is added.
-- Data:     no rows but those of the inventory.
-- Old code: nothing reads it yet.
-- Rollback: drops the log; what the audit told of it stays.
-- depends: 20261124_01_pre_scans_create_scan 20261122_57_pre_core_create_erasure 20261121_49_pre_core_forget_audit_detail 20261122_55_pre_core_classify_columns

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- As app/kit/egress.py says it: an address of the public internet and of nothing else.
CREATE FUNCTION scans.is_public(address inet) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = ''
RETURN CASE pg_catalog.family(address)
    WHEN 4 THEN pg_catalog.masklen(address) = 32 AND NOT (address <<= ANY (ARRAY[
        '0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '168.63.129.16/32', '169.254.0.0/16', '172.16.0.0/12',
        '192.0.0.0/24', '192.0.2.0/24', '192.31.196.0/24', '192.52.193.0/24', '192.88.99.0/24', '192.168.0.0/16',
        '192.175.48.0/24', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24', '224.0.0.0/3'
    ]::inet[]))
    ELSE pg_catalog.masklen(address) = 128 AND address <<= '2000::/3'::inet AND NOT (address <<= ANY (ARRAY[
        '2001::/23', '2001:db8::/32', '2002::/16', '2620:4f:8000::/48', '3fff::/20'
    ]::inet[]))
    -- An IPv4 address in an interface identifier, behind four bytes of header and the upper half.
    AND pg_catalog.substr(pg_catalog.inet_send(address), 13, 4) NOT IN ('\x00005efe'::bytea, '\x02005efe'::bytea)
END;

REVOKE ALL ON FUNCTION scans.is_public(inet) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION scans.is_public(inet) TO fivefold_api, fivefold_worker;

-- allow prefer-bigint-over-smallint: hops, and statuses of HTTP.
-- allow prefer-bigint-over-int: ports, and milliseconds of at most a minute.
CREATE TABLE scans.access (
    workspace_id       uuid     NOT NULL,
    id                 uuid     NOT NULL DEFAULT uuidv7(),
    scan_id            uuid     NOT NULL,
    address            inet,
    port               integer  NOT NULL CONSTRAINT access_port_range CHECK (port BETWEEN 0 AND 65535),
    milliseconds       integer  NOT NULL CONSTRAINT access_milliseconds_not_negative CHECK (milliseconds >= 0),
    seq                smallint NOT NULL CONSTRAINT access_seq_not_negative CHECK (seq >= 0),
    status             smallint CONSTRAINT access_status_range CHECK (status BETWEEN 100 AND 599),
    trial              boolean  NOT NULL DEFAULT false,
    kind               text     NOT NULL CONSTRAINT access_kind_known CHECK (kind IN ('PAGE', 'ICON')),
    failure            text     CONSTRAINT access_failure_form CHECK (failure ~ '^[A-Z][A-Z_]{1,39}$'),
    masked_url         text     NOT NULL CONSTRAINT access_masked_url_length CHECK (length(masked_url) BETWEEN 1 AND 8192),
    url_hash           bytea    NOT NULL CONSTRAINT access_url_hash_length CHECK (octet_length(url_hash) = 32),
    content_sha256     bytea    CONSTRAINT access_content_length CHECK (octet_length(content_sha256) = 32),
    certificate_sha256 bytea    CONSTRAINT access_certificate_length CHECK (octet_length(certificate_sha256) = 32),
    CONSTRAINT access_pkey PRIMARY KEY (workspace_id, id),
    CONSTRAINT access_scan_fkey FOREIGN KEY (workspace_id, scan_id) REFERENCES scans.scan (workspace_id, id),
    -- What the code checks before it connects, once more where it is written down.
    CONSTRAINT access_address_public CHECK (
        scans.is_public(address) OR (trial AND (address <<= '127.0.0.0/8'::inet OR address = '::1'::inet))
    ),
    CONSTRAINT access_refused_has_failure CHECK (address IS NOT NULL OR (status IS NULL AND failure IS NOT NULL))
);

-- Serve the foreign key and the log of a scan; and when a URL was touched, whichever scan led there.
CREATE INDEX access_workspace_id_scan_id_id_idx ON scans.access (workspace_id, scan_id, id);
CREATE INDEX access_workspace_id_url_hash_idx ON scans.access (workspace_id, url_hash);

COMMENT ON TABLE scans.access IS 'owned. Append-only: one request of a scan, or the refusal to make it. When it was, its id says.';
COMMENT ON COLUMN scans.access.address IS 'What was connected to; NULL where nothing was, because it was refused or not found.';
COMMENT ON COLUMN scans.access.trial IS 'The process was allowed to reach its own machine, as trials and tests are.';
COMMENT ON COLUMN scans.access.failure IS 'Why it has no answer, or why nothing followed it, as a word of the code.';
COMMENT ON COLUMN scans.access.masked_url IS 'The URL without what might be secret in it.';
COMMENT ON COLUMN scans.access.url_hash IS 'HMAC-SHA-256 of the canonical URL with a key of the workspace.';
COMMENT ON COLUMN scans.access.content_sha256 IS 'Of what was read of the page that a scan ended at, or of its icon.';

ALTER TABLE scans.access ENABLE ROW LEVEL SECURITY;
ALTER TABLE scans.access FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON scans.access TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON scans.access TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT ON scans.access TO fivefold_api;
GRANT SELECT, INSERT ON scans.access TO fivefold_worker;

-- Nothing goes but what is past its time, and what an erasure takes, which a row of its ledger proves.
CREATE FUNCTION scans.keep_access() RETURNS trigger
LANGUAGE plpgsql
SET search_path = ''
AS $$
BEGIN
    IF OLD.id < core.uuidv7_floor(now() - interval '400 days')
        OR EXISTS (SELECT FROM core.erasure AS e WHERE e.xid = pg_current_xact_id())
    THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'scans.access is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;

REVOKE ALL ON FUNCTION scans.keep_access() FROM PUBLIC;

CREATE TRIGGER append_only BEFORE UPDATE ON scans.access
FOR EACH ROW EXECUTE FUNCTION core.refuse_change();
CREATE TRIGGER append_only_delete BEFORE DELETE ON scans.access
FOR EACH ROW EXECUTE FUNCTION scans.keep_access();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON scans.access
FOR EACH STATEMENT EXECUTE FUNCTION core.refuse_change();
-- ALWAYS: session_replication_role = replica switches ordinary triggers off.
ALTER TABLE scans.access ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE scans.access ENABLE ALWAYS TRIGGER append_only_delete;
ALTER TABLE scans.access ENABLE ALWAYS TRIGGER append_only_truncate;

-- Every column is told, so that a sealed event proves the whole row; see list_altered_access in sql/scans/access.sql, which
-- names the same columns.
CREATE TRIGGER audit_insert AFTER INSERT ON scans.access REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'scan_id,address,port,milliseconds,seq,status,trial,kind,failure,sha256:masked_url,sha256:url_hash,sha256:content_sha256,sha256:certificate_sha256');
CREATE TRIGGER audit_delete AFTER DELETE ON scans.access REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'scan_id,seq');
ALTER TABLE scans.access ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE scans.access ENABLE ALWAYS TRIGGER audit_delete;

-- What is past its time goes, of the caller's workspace, the oldest first; which rows those were. No login may delete any itself.
CREATE FUNCTION scans.purge_access(max_rows integer) RETURNS uuid[]
LANGUAGE sql SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    WITH gone AS (
        DELETE FROM scans.access AS a
        WHERE a.workspace_id = core.current_workspace_id()
            AND a.id IN (
                SELECT o.id
                FROM scans.access AS o
                WHERE o.workspace_id = core.current_workspace_id()
                    AND o.id < core.uuidv7_floor(now() - interval '400 days')
                ORDER BY o.id
                LIMIT purge_access.max_rows
            )
        RETURNING a.id
    )
    SELECT coalesce(array_agg(g.id), '{}') FROM gone AS g;
END;

REVOKE ALL ON FUNCTION scans.purge_access(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION scans.purge_access(integer) TO fivefold_worker;

-- The next workspaces in which something is past its time, in the order of their ids.
CREATE FUNCTION scans.list_old_access(after uuid, max_rows integer) RETURNS TABLE (workspace_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    SELECT w.id
    FROM core.workspace AS w
    WHERE w.id > list_old_access.after
        AND EXISTS (
            SELECT
            FROM scans.access AS a
            WHERE a.workspace_id = w.id
                AND a.id < core.uuidv7_floor(now() - interval '400 days')
        )
    ORDER BY w.id
    LIMIT list_old_access.max_rows;
END;

REVOKE ALL ON FUNCTION scans.list_old_access(uuid, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION scans.list_old_access(uuid, integer) TO fivefold_worker;

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('scans.access', 'workspace_id', 'technical', 'service', 'include', 'delete', '400 days', NULL),
('scans.access', 'id', 'technical', 'service', 'include', 'delete', '400 days', NULL),
('scans.access', 'scan_id', 'technical', 'service', 'include', 'delete', '400 days', NULL),
('scans.access', 'address', 'personal', 'service', 'include', 'delete', '400 days', NULL),
('scans.access', 'port', 'technical', 'service', 'include', 'delete', '400 days', NULL),
('scans.access', 'milliseconds', 'technical', 'service', 'include', 'delete', '400 days', NULL),
('scans.access', 'seq', 'technical', 'service', 'include', 'delete', '400 days', NULL),
('scans.access', 'status', 'technical', 'service', 'include', 'delete', '400 days', NULL),
('scans.access', 'trial', 'technical', 'operation', 'include', 'delete', '400 days', NULL),
('scans.access', 'kind', 'technical', 'service', 'include', 'delete', '400 days', NULL),
('scans.access', 'failure', 'technical', 'service', 'include', 'delete', '400 days', NULL),
('scans.access', 'masked_url', 'personal', 'service', 'include', 'delete', '400 days', NULL),
('scans.access', 'url_hash', 'technical', 'service', 'include', 'delete', '400 days', NULL),
('scans.access', 'content_sha256', 'technical', 'service', 'include', 'delete', '400 days', NULL),
('scans.access', 'certificate_sha256', 'technical', 'service', 'include', 'delete', '400 days', NULL);
