-- Why:      shared nouns are written by a few named people.
-- Change:   core.curator and core.is_curator().
-- Locks:    SHARE ROW EXCLUSIVE on core.account while the foreign key is added.
-- Data:     no rows are written.
-- Old code: nothing reads it yet.
-- Rollback: drops the list of curators.
-- depends: 20261120_03_pre_core_create_account

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE core.curator (
    account_id uuid        NOT NULL CONSTRAINT curator_pkey PRIMARY KEY
        CONSTRAINT curator_account_id_fkey REFERENCES core.account (id),
    granted_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE core.curator IS 'identity. Accounts that may write shared nouns; granted and revoked on the command line.';

ALTER TABLE core.curator ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.curator FORCE ROW LEVEL SECURITY;

CREATE POLICY self ON core.curator FOR SELECT TO fivefold_api, fivefold_worker
USING (account_id = (SELECT core.current_account_id()));
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON core.curator TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT ON core.curator TO fivefold_api, fivefold_worker;

-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_insert AFTER INSERT ON core.curator REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'account_id', 'account_id');
CREATE TRIGGER audit_update AFTER UPDATE ON core.curator REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'account_id', 'account_id');
CREATE TRIGGER audit_delete AFTER DELETE ON core.curator REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'account_id', 'account_id');
ALTER TABLE core.curator ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE core.curator ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE core.curator ENABLE ALWAYS TRIGGER audit_delete;

-- For the policies of shared nouns. An API key is never a curator, whoever made it.
CREATE FUNCTION core.is_curator() RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER
SET search_path = ''
RETURN core.current_api_key_id() IS NULL
    AND EXISTS (SELECT FROM core.curator AS c WHERE c.account_id = core.current_account_id());

REVOKE ALL ON FUNCTION core.is_curator() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION core.is_curator() TO fivefold_api;
