-- Why:      a token names its issuer and a subject; the account behind it is ours to know.
-- Change:   core.identity.
-- Locks:    SHARE ROW EXCLUSIVE on core.account while the foreign key is added.
-- Data:     no rows are written.
-- Old code: nothing reads it yet.
-- Rollback: drops every identity: nobody can sign in.
-- depends: 20261120_03_pre_core_create_account

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE core.identity (
    id         uuid        NOT NULL DEFAULT uuidv7() CONSTRAINT identity_pkey PRIMARY KEY,
    account_id uuid        NOT NULL CONSTRAINT identity_account_id_fkey REFERENCES core.account (id),
    created_at timestamptz NOT NULL DEFAULT now(),
    issuer     text        NOT NULL CONSTRAINT identity_issuer_length CHECK (length(issuer) BETWEEN 1 AND 400),
    subject    text        NOT NULL CONSTRAINT identity_subject_length CHECK (length(subject) BETWEEN 1 AND 400),
    CONSTRAINT identity_issuer_subject_key UNIQUE (issuer, subject)
);

-- Serves the identities of one account, and the foreign key.
CREATE INDEX identity_account_id_idx ON core.identity (account_id);

COMMENT ON TABLE core.identity IS 'identity. A way to sign in: the subject of one token issuer. An account may have several.';

ALTER TABLE core.identity ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.identity FORCE ROW LEVEL SECURITY;

CREATE POLICY self ON core.identity FOR SELECT TO fivefold_api, fivefold_worker
USING (account_id = (SELECT core.current_account_id()));
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON core.identity TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT ON core.identity TO fivefold_api, fivefold_worker;

-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_insert AFTER INSERT ON core.identity REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'id', 'id,account_id,issuer,subject');
CREATE TRIGGER audit_update AFTER UPDATE ON core.identity REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'id', 'id,account_id,issuer,subject');
CREATE TRIGGER audit_delete AFTER DELETE ON core.identity REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'id', 'id,account_id,issuer,subject');
ALTER TABLE core.identity ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE core.identity ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE core.identity ENABLE ALWAYS TRIGGER audit_delete;
