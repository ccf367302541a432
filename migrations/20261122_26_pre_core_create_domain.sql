-- Why:      who has an address in an organization's own domain may join it without being asked one by one.
-- Change:   core.domain; core.list_joinable() and core.join_by_domain(); a trigger joins who proves such an address, where wanted.
-- Locks:    SHARE ROW EXCLUSIVE on core.workspace and core.account while foreign keys and a trigger are added.
-- Data:     a limit for each plan; rows of the data inventory.
-- Old code: nothing reads it yet.
-- Rollback: drops every domain and its proof; who has joined stays.
-- depends: 20261122_25_pre_core_create_team_member

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow prefer-bigint-over-int: a handful of failures.
CREATE TABLE core.domain (
    workspace_id uuid        NOT NULL CONSTRAINT domain_workspace_id_fkey REFERENCES core.workspace (id),
    id           uuid        NOT NULL DEFAULT uuidv7(),
    created_at   timestamptz NOT NULL DEFAULT now(),
    proven_at    timestamptz,
    checked_at   timestamptz,
    failures     integer     NOT NULL DEFAULT 0 CONSTRAINT domain_failures_range CHECK (failures >= 0),
    name         text        NOT NULL CONSTRAINT domain_name_form CHECK (name ~ '^[a-z0-9-]+([.][a-z0-9-]+)+$' AND length(name) <= 240),
    challenge    text        NOT NULL CONSTRAINT domain_challenge_form CHECK (challenge ~ '^[A-Za-z0-9_-]{43}$'),
    joining      text        NOT NULL DEFAULT 'OFF' CONSTRAINT domain_joining_known CHECK (joining IN ('OFF', 'OFFERED', 'AUTOMATIC')),
    role         text        NOT NULL DEFAULT 'member' CONSTRAINT domain_role_known CHECK (role IN ('member', 'viewer', 'auditor')),
    CONSTRAINT domain_pkey PRIMARY KEY (workspace_id, id),
    CONSTRAINT domain_name_key UNIQUE (workspace_id, name)
);

-- Whoever proves a domain first has it, while it is proven; until then any number may claim it, so that nobody can squat.
CREATE UNIQUE INDEX domain_proven_name_idx ON core.domain (name) WHERE proven_at IS NOT NULL;
-- Serves the look for proofs that are to be checked again.
CREATE INDEX domain_checked_at_idx ON core.domain (checked_at) WHERE proven_at IS NOT NULL;

COMMENT ON TABLE core.domain IS 'owned. A domain that an organization says is its own, and the proof of it by DNS.';
COMMENT ON COLUMN core.domain.name IS 'Lower case, IDNA as it goes over the wire, without the last dot.';
COMMENT ON COLUMN core.domain.challenge IS 'What stands in the TXT record; public there, and of no use to others.';
COMMENT ON COLUMN core.domain.failures IS 'Checks in a row that did not find the record.';
COMMENT ON COLUMN core.domain.joining IS 'Whether who has a proven address in the domain may join, or joins when the address is proven.';

ALTER TABLE core.domain ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.domain FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON core.domain TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON core.domain TO fivefold_owner USING (true) WITH CHECK (true);
-- As the system the worker finds the proofs that are to be checked again.
CREATE POLICY worker_due ON core.domain FOR SELECT TO fivefold_worker
USING ((SELECT core.current_workspace_id()) = (SELECT core.system_workspace_id()) AND proven_at IS NOT NULL);

GRANT SELECT, INSERT, DELETE ON core.domain TO fivefold_api;
GRANT UPDATE (proven_at, checked_at, failures, joining, role) ON core.domain TO fivefold_api;
GRANT SELECT ON core.domain TO fivefold_worker;
GRANT UPDATE (proven_at, checked_at, failures) ON core.domain TO fivefold_worker;

-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_insert AFTER INSERT ON core.domain REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,name,proven_at,joining,role');
CREATE TRIGGER audit_update AFTER UPDATE ON core.domain REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,name,proven_at,joining,role');
CREATE TRIGGER audit_delete AFTER DELETE ON core.domain REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,name,proven_at,joining,role');
ALTER TABLE core.domain ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE core.domain ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE core.domain ENABLE ALWAYS TRIGGER audit_delete;

INSERT INTO core.plan_limit (plan_id, name, amount)
SELECT p.id, 'core.domains', l.amount
FROM (VALUES ('free', 1::bigint), ('pro', 5), ('premium', 20), ('enterprise', 200)) AS l (slug, amount)
JOIN core.plan AS p USING (slug);

-- The organizations that the caller may join by the domain of the own proven address.
CREATE FUNCTION core.list_joinable()
RETURNS TABLE (workspace_id uuid, workspace_name text, color text, logo_url text, domain text, role text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    SELECT d.workspace_id, w.name, w.color, w.logo_url, d.name, d.role
    FROM core.account AS a
    JOIN core.domain AS d ON d.name = split_part(a.email, '@', -1)
    JOIN core.workspace AS w ON w.id = d.workspace_id
    WHERE a.id = core.current_account_id()
        AND a.email_verified_at IS NOT NULL
        AND d.proven_at IS NOT NULL
        AND d.joining <> 'OFF'
        AND NOT EXISTS (SELECT FROM core.member AS m WHERE m.workspace_id = d.workspace_id AND m.account_id = a.id);
END;

-- Join one of those. The domain is asked for again under the lock of the workspace. No row where there is none.
CREATE FUNCTION core.join_by_domain(workspace_id uuid)
RETURNS TABLE (outcome text, reached bigint, used bigint, plan text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = ''
AS $$
DECLARE
    as_role text;
BEGIN
    PERFORM FROM core.workspace AS w WHERE w.id = join_by_domain.workspace_id FOR NO KEY UPDATE;
    SELECT j.role INTO as_role FROM core.list_joinable() AS j WHERE j.workspace_id = join_by_domain.workspace_id;
    IF FOUND THEN
        RETURN QUERY SELECT a.* FROM core.add_member(join_by_domain.workspace_id, core.current_account_id(), as_role) AS a;
    END IF;
END
$$;

-- Who proves an address in a domain whose organization wants it so is a member from then on, while its plan allows one more.
CREATE FUNCTION core.join_automatically() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ''
AS $$
DECLARE
    wanted record;
BEGIN
    SELECT d.workspace_id, d.role
    INTO wanted
    FROM core.domain AS d
    WHERE d.name = split_part(NEW.email, '@', -1)
        AND d.proven_at IS NOT NULL
        AND d.joining = 'AUTOMATIC';
    IF FOUND THEN
        PERFORM FROM core.add_member(wanted.workspace_id, NEW.id, wanted.role);
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER join_automatically_at_first AFTER INSERT ON core.account
FOR EACH ROW WHEN (NEW.email_verified_at IS NOT NULL) EXECUTE FUNCTION core.join_automatically();
CREATE TRIGGER join_automatically AFTER UPDATE OF email, email_verified_at ON core.account
FOR EACH ROW
WHEN (
    NEW.email_verified_at IS NOT NULL
    AND (OLD.email_verified_at IS NULL OR OLD.email <> NEW.email)
)
EXECUTE FUNCTION core.join_automatically();
ALTER TABLE core.account ENABLE ALWAYS TRIGGER join_automatically_at_first;
ALTER TABLE core.account ENABLE ALWAYS TRIGGER join_automatically;

REVOKE ALL ON FUNCTION core.list_joinable(), core.join_by_domain(uuid), core.join_automatically() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION core.list_joinable(), core.join_by_domain(uuid) TO fivefold_api;

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.domain', 'workspace_id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('core.domain', 'id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('core.domain', 'created_at', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('core.domain', 'proven_at', 'technical', 'security', 'include', 'delete', 'workspace', NULL),
('core.domain', 'checked_at', 'technical', 'operation', 'include', 'delete', 'workspace', NULL),
('core.domain', 'failures', 'technical', 'operation', 'include', 'delete', 'workspace', NULL),
('core.domain', 'name', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('core.domain', 'challenge', 'technical', 'security', 'include', 'delete', 'workspace', NULL),
('core.domain', 'joining', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('core.domain', 'role', 'technical', 'security', 'include', 'delete', 'workspace', NULL);
