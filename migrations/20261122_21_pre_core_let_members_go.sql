-- Why:      members change roles and leave; what they could do there ends with it, and what they made stays.
-- Change:   core.member may be updated and deleted by the API; triggers keep an owner, and end keys and devices of who goes;
--           keys and devices hang on workspace and account instead of the member's row; core.list_person() shows members.
-- Locks:    ACCESS EXCLUSIVE on core.member, core.api_key and core.device, SHARE ROW EXCLUSIVE on core.workspace and core.account,
--           while foreign keys and triggers are added: they are checked in one pass each.
-- Data:     no rows are written.
-- Old code: goes on; it deletes no member.
-- Rollback: fails while there are keys or devices of former members: delete those first.
-- depends: 20261122_20_pre_core_alter_workspace 20261121_65_pre_core_create_device 20261121_12_pre_core_create_list_caller

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- A key or a device works with its member's row alone (core.authenticate_api_key() joins it), so it may outlive that.
-- allow ban-drop-constraint, constraint-missing-not-valid, adding-foreign-key-constraint: two others take its place at once, checked in one pass over a small table.
ALTER TABLE core.api_key
DROP CONSTRAINT api_key_member_fkey,
ADD CONSTRAINT api_key_workspace_id_fkey FOREIGN KEY (workspace_id) REFERENCES core.workspace (id),
ADD CONSTRAINT api_key_account_id_fkey FOREIGN KEY (account_id) REFERENCES core.account (id);
-- allow ban-drop-constraint, constraint-missing-not-valid, adding-foreign-key-constraint: as above.
ALTER TABLE core.device
DROP CONSTRAINT device_member_fkey,
ADD CONSTRAINT device_workspace_id_fkey FOREIGN KEY (workspace_id) REFERENCES core.workspace (id),
ADD CONSTRAINT device_account_id_fkey FOREIGN KEY (account_id) REFERENCES core.account (id);

-- They serve the foreign keys: what is a person's, in whichever workspace?
-- allow require-concurrent-index-creation: a few rows for each person.
CREATE INDEX api_key_account_id_idx ON core.api_key (account_id);
-- allow require-concurrent-index-creation: as above.
CREATE INDEX device_account_id_idx ON core.device (account_id);

CREATE POLICY tenant_update ON core.member FOR UPDATE TO fivefold_api
USING (workspace_id = (SELECT core.current_workspace_id()));
CREATE POLICY tenant_delete ON core.member FOR DELETE TO fivefold_api
USING (workspace_id = (SELECT core.current_workspace_id()));
GRANT UPDATE (role), DELETE ON core.member TO fivefold_api;

-- An organization that has an owner keeps one. At the commit, so that an owner can be followed by another and an organization
-- can be deleted whole; under the lock of the workspace, so that two owners who go at once do not both count the other.
CREATE FUNCTION core.keep_owner() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ''
AS $$
BEGIN
    PERFORM FROM core.workspace AS w WHERE w.id = OLD.workspace_id AND w.kind = 'organization' FOR NO KEY UPDATE;
    IF FOUND AND NOT EXISTS (SELECT FROM core.member AS m WHERE m.workspace_id = OLD.workspace_id AND m.role = 'owner') THEN
        RAISE EXCEPTION 'an organization keeps an owner' USING ERRCODE = 'check_violation', CONSTRAINT = 'member_owner_stays';
    END IF;
    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER member_keep_owner AFTER UPDATE OF role OR DELETE ON core.member
DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN (OLD.role = 'owner') EXECUTE FUNCTION core.keep_owner();
ALTER TABLE core.member ENABLE ALWAYS TRIGGER member_keep_owner;

-- What a foreign key to the member's row said when something was made, and no longer says when the member goes. As that would,
-- it holds the member until the transaction ends: who goes at the same moment waits, and ends what was made meanwhile too.
CREATE FUNCTION core.require_member() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ''
AS $$
BEGIN
    PERFORM FROM core.member AS m WHERE m.workspace_id = NEW.workspace_id AND m.account_id = NEW.account_id FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'only a member makes rows in a workspace' USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER require_member BEFORE INSERT OR UPDATE OF workspace_id, account_id ON core.api_key
FOR EACH ROW EXECUTE FUNCTION core.require_member();
CREATE TRIGGER require_member BEFORE INSERT OR UPDATE OF workspace_id, account_id ON core.device
FOR EACH ROW EXECUTE FUNCTION core.require_member();
ALTER TABLE core.api_key ENABLE ALWAYS TRIGGER require_member;
ALTER TABLE core.device ENABLE ALWAYS TRIGGER require_member;

-- Keys and devices of a member are of no use after it went, nor when it comes back.
CREATE FUNCTION core.end_membership() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ''
AS $$
BEGIN
    UPDATE core.api_key AS k
    SET revoked_at = now()
    FROM changed_rows AS c
    WHERE k.workspace_id = c.workspace_id
        AND k.account_id = c.account_id
        AND k.revoked_at IS NULL;
    UPDATE core.device AS d
    SET revoked_at = now()
    FROM changed_rows AS c
    WHERE d.workspace_id = c.workspace_id
        AND d.account_id = c.account_id
        AND d.revoked_at IS NULL;
    RETURN NULL;
END
$$;

CREATE TRIGGER end_membership AFTER DELETE ON core.member REFERENCING OLD TABLE AS changed_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.end_membership();
ALTER TABLE core.member ENABLE ALWAYS TRIGGER end_membership;

-- Members of the caller's workspace by their names; their addresses are for themselves and for those who manage members.
CREATE FUNCTION core.list_person(account_ids uuid[])
RETURNS TABLE (account_id uuid, display_name text, email text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    SELECT a.id, a.display_name, CASE WHEN a.id = c.account_id OR c.role IN ('owner', 'admin') THEN a.email END
    FROM core.member AS c
    JOIN core.member AS m ON m.workspace_id = c.workspace_id
    JOIN core.account AS a ON a.id = m.account_id
    WHERE c.workspace_id = core.current_workspace_id()
        AND c.account_id = core.current_account_id()
        AND m.account_id = ANY (list_person.account_ids);
END;

REVOKE ALL ON FUNCTION core.keep_owner(), core.end_membership(), core.require_member(), core.list_person(uuid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION core.list_person(uuid[]) TO fivefold_api;
