-- Why:      that somebody agreed, to which words and until when, can be shown; and what needs a consent can ask for it.
-- Change:   core.consent and core.consent_holds().
-- Locks:    SHARE ROW EXCLUSIVE on core.workspace and core.consent_purpose while the foreign keys are added.
-- Data:     no rows are written; the columns are classified.
-- Old code: nothing reads it yet.
-- Rollback: drops every consent.
-- depends: 20261123_40_pre_core_create_consent_purpose 20261122_55_pre_core_classify_columns

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow prefer-bigint-over-int: versions of a text are a few.
CREATE TABLE core.consent (
    workspace_id uuid        NOT NULL CONSTRAINT consent_workspace_id_fkey REFERENCES core.workspace (id),
    id           uuid        NOT NULL DEFAULT uuidv7(),
    account_id   uuid        NOT NULL,
    given_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    withdrawn_at timestamptz,
    replaced_at  timestamptz,
    version      integer     NOT NULL,
    purpose      text        NOT NULL,
    how          text        NOT NULL CONSTRAINT consent_how_form CHECK (how ~ '^[a-z][a-z0-9._/-]{0,59}$'),
    CONSTRAINT consent_pkey PRIMARY KEY (workspace_id, id),
    CONSTRAINT consent_version_fkey FOREIGN KEY (purpose, version) REFERENCES core.consent_purpose (slug, version),
    CONSTRAINT consent_ends_once CHECK (num_nonnulls(withdrawn_at, replaced_at) <= 1),
    CONSTRAINT consent_ends_later CHECK (coalesce(withdrawn_at, replaced_at, given_at) >= given_at)
);

-- One open consent for each purpose, whoever asks for it how often at once.
CREATE UNIQUE INDEX consent_open_idx ON core.consent (workspace_id, account_id, purpose)
WHERE withdrawn_at IS NULL AND replaced_at IS NULL;

COMMENT ON TABLE core.consent IS 'owned. That a member agreed to a version of a purpose, in this workspace. Only its end is ever written.';
COMMENT ON COLUMN core.consent.account_id IS 'The person. No foreign key: that there was a consent is shown after the account is gone.';
COMMENT ON COLUMN core.consent.replaced_at IS 'When the person agreed anew, to another version or as a member again.';
COMMENT ON COLUMN core.consent.how IS 'Where it was given, such as settings or onboarding/2.';

-- Open, of a version that still counts, and given since the person became a member.
CREATE FUNCTION core.consent_holds(given core.consent) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = ''
RETURN given.withdrawn_at IS NULL
    AND given.replaced_at IS NULL
    AND given.version >= (
        SELECT coalesce(max(p.version) FILTER (WHERE NOT p.renews), 1)
        FROM core.consent_purpose AS p
        WHERE p.slug = given.purpose
            AND p.valid_from <= now()
    )
    AND EXISTS (
        SELECT
        FROM core.member AS m
        WHERE m.workspace_id = given.workspace_id
            AND m.account_id = given.account_id
            AND m.joined_at <= given.given_at
    );
REVOKE ALL ON FUNCTION core.consent_holds(core.consent) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION core.consent_holds(core.consent) TO fivefold_api, fivefold_worker;

ALTER TABLE core.consent ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.consent FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON core.consent TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
CREATE POLICY person ON core.consent AS RESTRICTIVE TO fivefold_api
USING (account_id = (SELECT core.current_account_id()));
-- What has ended stays ended, and as it is.
CREATE POLICY open ON core.consent AS RESTRICTIVE FOR UPDATE TO fivefold_api
USING (withdrawn_at IS NULL AND replaced_at IS NULL)
WITH CHECK (num_nonnulls(withdrawn_at, replaced_at) = 1);
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON core.consent TO fivefold_owner USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON core.consent TO fivefold_api;
GRANT UPDATE (withdrawn_at, replaced_at) ON core.consent TO fivefold_api;
GRANT SELECT ON core.consent TO fivefold_worker;

-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_insert AFTER INSERT ON core.consent REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit(
    'workspace_id', 'id', 'id,account_id,purpose,version,given_at,withdrawn_at,replaced_at,how');
CREATE TRIGGER audit_update AFTER UPDATE ON core.consent REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit(
    'workspace_id', 'id', 'id,account_id,purpose,version,given_at,withdrawn_at,replaced_at,how');
CREATE TRIGGER audit_delete AFTER DELETE ON core.consent REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit(
    'workspace_id', 'id', 'id,account_id,purpose,version,given_at,withdrawn_at,replaced_at,how');
ALTER TABLE core.consent ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE core.consent ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE core.consent ENABLE ALWAYS TRIGGER audit_delete;

INSERT INTO core.data_subject (object, column_name, kind) VALUES
('core.consent', 'account_id', 'account');
INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.consent', 'workspace_id', 'technical', 'audit', 'include', 'keep', 'product', 'As account_id.'),
('core.consent', 'id', 'technical', 'audit', 'include', 'keep', 'product', 'The proof that there was a consent.'),
('core.consent', 'account_id', 'identifier', 'audit', 'include', 'keep', 'product', 'Who relied on a consent must be able to show it (GDPR 7(1), 5(2)); it is a pseudonym with nobody behind it after an erasure.'),
('core.consent', 'given_at', 'technical', 'audit', 'include', 'keep', 'product', 'The proof that there was a consent.'),
('core.consent', 'withdrawn_at', 'technical', 'audit', 'include', 'keep', 'product', 'The proof that there was a consent.'),
('core.consent', 'replaced_at', 'technical', 'audit', 'include', 'keep', 'product', 'The proof that there was a consent.'),
('core.consent', 'version', 'technical', 'audit', 'include', 'keep', 'product', 'The proof that there was a consent.'),
('core.consent', 'purpose', 'technical', 'audit', 'include', 'keep', 'product', 'The proof that there was a consent.'),
('core.consent', 'how', 'technical', 'audit', 'include', 'keep', 'product', 'The proof that there was a consent: the name of a screen.');
