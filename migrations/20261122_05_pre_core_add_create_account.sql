-- Why:      accounts come to be by people who sign up or in, not by the operator alone; and an address is worth something once it is proven.
-- Change:   core.account.email_verified_at; core.create_account(), the one way in which an account is made.
-- Locks:    ACCESS EXCLUSIVE on core.account, for a moment.
-- Data:     one row of the data inventory; nobody's address counts as proven yet.
-- Old code: goes on; it makes accounts by a statement of its own.
-- Rollback: which addresses were proven is forgotten.
-- depends: 20261122_55_pre_core_classify_columns

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

ALTER TABLE core.account ADD COLUMN email_verified_at timestamptz;

COMMENT ON COLUMN core.account.email_verified_at IS 'When its owner proved the address; NULL where nobody has.';

CREATE OR REPLACE TRIGGER audit_insert AFTER INSERT ON core.account REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'id', 'id,email,email_verified_at,display_name,locale,time_zone');
CREATE OR REPLACE TRIGGER audit_update AFTER UPDATE ON core.account REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'id', 'id,email,email_verified_at,display_name,locale,time_zone');
CREATE OR REPLACE TRIGGER audit_delete AFTER DELETE ON core.account REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'id', 'id,email,email_verified_at,display_name,locale,time_zone');
ALTER TABLE core.account ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE core.account ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE core.account ENABLE ALWAYS TRIGGER audit_delete;

-- An account with its identity at our own issuer, its personal workspace and its membership there: no moment without them.
-- Where somebody else vouches for the person, ``issuer`` and ``subject`` are a second identity. Who calls it must have proof
-- of the address, or pass email_verified false.
CREATE FUNCTION core.create_account(
    email text, display_name text, locale text, time_zone text, issuer text, subject text, email_verified boolean
)
RETURNS SETOF core.account
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = ''
AS $$
DECLARE
    made      core.account;
    personal  uuid := uuidv7();
BEGIN
    INSERT INTO core.account (email, display_name, locale, time_zone, email_verified_at)
    VALUES (
        lower(create_account.email), create_account.display_name, create_account.locale, create_account.time_zone,
        CASE WHEN create_account.email_verified THEN now() END
    )
    RETURNING * INTO made;
    INSERT INTO core.identity (account_id, issuer, subject) VALUES (made.id, 'fivefold', made.id::text);
    IF create_account.issuer IS NOT NULL THEN
        INSERT INTO core.identity (account_id, issuer, subject) VALUES (made.id, create_account.issuer, create_account.subject);
    END IF;
    INSERT INTO core.workspace (id, kind, name, personal_account_id) VALUES (personal, 'personal', made.display_name, made.id);
    INSERT INTO core.member (workspace_id, account_id, role) VALUES (personal, made.id, 'owner');
    RETURN NEXT made;
END
$$;

REVOKE ALL ON FUNCTION core.create_account(text, text, text, text, text, text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION core.create_account(text, text, text, text, text, text, boolean) TO fivefold_api;

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.account', 'email_verified_at', 'personal', 'security', 'include', 'delete', 'account', NULL);
