-- Why:      a verdict may be wrong; whoever knows better says so, and a curator decides.
-- Change:   scans.dispute; how curators see what is open and resolve it; a limit in every plan on what may be open at once.
-- Locks:    SHARE ROW EXCLUSIVE on scans.scan and core.account while the foreign keys are added.
-- Data:     a limit for each plan, and the rows of the inventory.
-- Old code: nothing reads it yet.
-- Rollback: drops every dispute.
-- depends: 20261124_01_pre_scans_create_scan 20261120_08_pre_core_create_curator

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE scans.dispute (
    workspace_id uuid        NOT NULL,
    id           uuid        NOT NULL DEFAULT uuidv7(),
    scan_id      uuid        NOT NULL,
    account_id   uuid        NOT NULL CONSTRAINT dispute_account_id_fkey REFERENCES core.account (id),
    resolved_at  timestamptz,
    state        text        NOT NULL DEFAULT 'OPEN' CONSTRAINT dispute_state_known CHECK (state IN ('OPEN', 'ACCEPTED', 'REJECTED', 'WITHDRAWN')),
    claim        text        NOT NULL CONSTRAINT dispute_claim_known CHECK (claim IN ('FALSE_ALARM', 'MISSED_THREAT')),
    reason       text        NOT NULL CONSTRAINT dispute_reason_length CHECK (length(reason) BETWEEN 1 AND 500),
    answer       text        CONSTRAINT dispute_answer_length CHECK (length(answer) BETWEEN 1 AND 500),
    CONSTRAINT dispute_pkey PRIMARY KEY (workspace_id, id),
    CONSTRAINT dispute_scan_fkey FOREIGN KEY (workspace_id, scan_id) REFERENCES scans.scan (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT dispute_resolved_has_time CHECK ((state = 'OPEN') = (resolved_at IS NULL))
);

CREATE INDEX dispute_account_id_id_idx ON scans.dispute (account_id, id);
-- Serves the foreign key, and whether a verdict was found wrong.
CREATE INDEX dispute_workspace_id_scan_id_idx ON scans.dispute (workspace_id, scan_id);
CREATE UNIQUE INDEX dispute_open_scan_idx ON scans.dispute (workspace_id, scan_id) WHERE state = 'OPEN';
-- Serves the curators' list.
CREATE INDEX dispute_open_idx ON scans.dispute (id) WHERE state = 'OPEN';

COMMENT ON TABLE scans.dispute IS 'owned. Somebody says that a verdict is wrong. Accepted, the scan stays as it is and is answered to nobody as a verdict any more.';
COMMENT ON COLUMN scans.dispute.claim IS 'FALSE_ALARM: it is harmless. MISSED_THREAT: it is not.';
COMMENT ON COLUMN scans.dispute.answer IS 'What the curator said.';

CREATE TRIGGER require_member BEFORE INSERT OR UPDATE OF workspace_id, account_id ON scans.dispute
FOR EACH ROW EXECUTE FUNCTION core.require_member();
ALTER TABLE scans.dispute ENABLE ALWAYS TRIGGER require_member;

ALTER TABLE scans.dispute ENABLE ROW LEVEL SECURITY;
ALTER TABLE scans.dispute FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON scans.dispute TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON scans.dispute TO fivefold_owner USING (true) WITH CHECK (true);

-- Resolving is the curators' function's; a person may withdraw.
GRANT SELECT, INSERT ON scans.dispute TO fivefold_api;
GRANT UPDATE (state, resolved_at) ON scans.dispute TO fivefold_api;
GRANT SELECT ON scans.dispute TO fivefold_worker;
CREATE POLICY withdrawn ON scans.dispute AS RESTRICTIVE FOR UPDATE TO fivefold_api
USING (workspace_id = (SELECT core.current_workspace_id())) WITH CHECK (state = 'WITHDRAWN');

-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_insert AFTER INSERT ON scans.dispute REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,scan_id,account_id,state,claim');
CREATE TRIGGER audit_update AFTER UPDATE ON scans.dispute REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,state,resolved_at');
CREATE TRIGGER audit_delete AFTER DELETE ON scans.dispute REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,scan_id,state,claim');
ALTER TABLE scans.dispute ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE scans.dispute ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE scans.dispute ENABLE ALWAYS TRIGGER audit_delete;

-- Who disputes shows curators the masked URL and the reason; of whom it is they are not told.
CREATE FUNCTION scans.list_open_dispute(after_id uuid, most bigint)
RETURNS TABLE (id uuid, claim text, reason text, host text, masked_url text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    SELECT d.id, d.claim, d.reason, s.host, s.masked_url
    FROM scans.dispute AS d
    JOIN scans.scan AS s ON s.workspace_id = d.workspace_id AND s.id = d.scan_id
    WHERE core.is_curator()
        AND d.state = 'OPEN'
        AND d.id > list_open_dispute.after_id
    ORDER BY d.id
    LIMIT list_open_dispute.most;
END;

-- Of what nobody has resolved; returns in whose workspace it is, to tell them.
CREATE FUNCTION scans.resolve_dispute(dispute_id uuid, accepted boolean, words text)
RETURNS TABLE (workspace_id uuid, state text)
LANGUAGE sql SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    UPDATE scans.dispute AS d
    SET state = CASE WHEN resolve_dispute.accepted THEN 'ACCEPTED' ELSE 'REJECTED' END,
        resolved_at = now(),
        answer = resolve_dispute.words
    WHERE d.id = resolve_dispute.dispute_id
        AND d.state = 'OPEN'
        AND core.is_curator()
    RETURNING d.workspace_id, d.state;
END;

REVOKE ALL ON FUNCTION scans.list_open_dispute(uuid, bigint), scans.resolve_dispute(uuid, boolean, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION scans.list_open_dispute(uuid, bigint), scans.resolve_dispute(uuid, boolean, text) TO fivefold_api;

INSERT INTO core.plan_limit (plan_id, name, amount)
SELECT p.id, 'scans.open_disputes', l.amount
FROM (VALUES ('free', 5::bigint), ('pro', 20), ('premium', 50), ('enterprise', 200)) AS l (slug, amount)
JOIN core.plan AS p USING (slug);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('scans.dispute', 'workspace_id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.dispute', 'id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.dispute', 'scan_id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.dispute', 'account_id', 'identifier', 'service', 'include', 'delete', 'workspace', NULL),
('scans.dispute', 'resolved_at', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('scans.dispute', 'state', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('scans.dispute', 'claim', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('scans.dispute', 'reason', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('scans.dispute', 'answer', 'personal', 'service', 'include', 'delete', 'workspace', NULL);
