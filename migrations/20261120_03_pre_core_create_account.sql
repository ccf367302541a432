-- Why:      a person signs in and is named in the audit.
-- Change:   core.account.
-- Locks:    none on existing tables.
-- Data:     no rows are written.
-- Old code: nothing reads it yet.
-- Rollback: drops every account.
-- depends: 20261120_02_pre_core_create_audit

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE core.account (
    id           uuid        NOT NULL DEFAULT uuidv7() CONSTRAINT account_pkey PRIMARY KEY,
    created_at   timestamptz NOT NULL DEFAULT now(),
    email        text        NOT NULL CONSTRAINT account_email_key UNIQUE
        CONSTRAINT account_email_form CHECK (email = lower(email) AND email LIKE '%_@_%' AND length(email) <= 254),
    display_name text        NOT NULL CONSTRAINT account_display_name_length CHECK (length(display_name) BETWEEN 1 AND 200),
    locale       text        NOT NULL CONSTRAINT account_locale_form CHECK (locale ~ '^[a-z]{2,3}(-[A-Z]{2})?$'),
    time_zone    text        NOT NULL CONSTRAINT account_time_zone_length CHECK (length(time_zone) BETWEEN 1 AND 64)
);

COMMENT ON TABLE core.account IS 'identity. One person.';
COMMENT ON COLUMN core.account.email IS 'Lower case, so that equality is enough to find it.';
COMMENT ON COLUMN core.account.time_zone IS 'IANA name, never an offset: offsets change with the seasons.';

ALTER TABLE core.account ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.account FORCE ROW LEVEL SECURITY;

CREATE POLICY self ON core.account FOR SELECT TO fivefold_api, fivefold_worker
USING (id = (SELECT core.current_account_id()));
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON core.account TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT ON core.account TO fivefold_api, fivefold_worker;

-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_insert AFTER INSERT ON core.account REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'id', 'id,email,display_name,locale,time_zone');
CREATE TRIGGER audit_update AFTER UPDATE ON core.account REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'id', 'id,email,display_name,locale,time_zone');
CREATE TRIGGER audit_delete AFTER DELETE ON core.account REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'id', 'id,email,display_name,locale,time_zone');
ALTER TABLE core.account ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE core.account ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE core.account ENABLE ALWAYS TRIGGER audit_delete;
