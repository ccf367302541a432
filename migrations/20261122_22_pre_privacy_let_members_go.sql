-- Why:      what a member scanned for an organization is that person's still, and nobody's else, after the member went.
-- Change:   links, proposals and rights requests hang on workspace and account instead of the member's row; a trigger ends the
--           links of who goes: nothing is scanned any more, and history stays for export and erasure.
-- Locks:    ACCESS EXCLUSIVE on privacy.platform_link, privacy.proposal and privacy.rights_request, SHARE ROW EXCLUSIVE on
--           core.workspace, core.account and core.member, while the foreign keys are checked and three indexes are built.
-- Data:     no rows are written.
-- Old code: goes on.
-- Rollback: fails while there are rows of former members.
-- depends: 20261122_21_pre_core_let_members_go 20261121_31_pre_privacy_create_proposal 20261121_61_pre_privacy_create_rights_request 20261121_44_pre_privacy_schedule_platform_link

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow ban-drop-constraint, constraint-missing-not-valid, adding-foreign-key-constraint: two others take its place at once, checked in one pass over few rows for each person.
ALTER TABLE privacy.platform_link
DROP CONSTRAINT platform_link_member_fkey,
ADD CONSTRAINT platform_link_workspace_id_fkey FOREIGN KEY (workspace_id) REFERENCES core.workspace (id),
ADD CONSTRAINT platform_link_account_id_fkey FOREIGN KEY (account_id) REFERENCES core.account (id);
-- allow ban-drop-constraint, constraint-missing-not-valid, adding-foreign-key-constraint: as above.
ALTER TABLE privacy.proposal
DROP CONSTRAINT proposal_member_fkey,
ADD CONSTRAINT proposal_workspace_id_fkey FOREIGN KEY (workspace_id) REFERENCES core.workspace (id),
ADD CONSTRAINT proposal_account_id_fkey FOREIGN KEY (account_id) REFERENCES core.account (id);
-- allow ban-drop-constraint, constraint-missing-not-valid, adding-foreign-key-constraint: as above.
ALTER TABLE privacy.rights_request
DROP CONSTRAINT rights_request_member_fkey,
ADD CONSTRAINT rights_request_workspace_id_fkey FOREIGN KEY (workspace_id) REFERENCES core.workspace (id),
ADD CONSTRAINT rights_request_account_id_fkey FOREIGN KEY (account_id) REFERENCES core.account (id);

-- They serve the foreign keys: what is a person's, in whichever workspace?
-- allow require-concurrent-index-creation: a few rows for each person.
CREATE INDEX platform_link_account_id_idx ON privacy.platform_link (account_id);
-- allow require-concurrent-index-creation: as above.
CREATE INDEX proposal_account_id_idx ON privacy.proposal (account_id);
-- allow require-concurrent-index-creation: as above.
CREATE INDEX rights_request_account_id_idx ON privacy.rights_request (account_id);

CREATE TRIGGER require_member BEFORE INSERT OR UPDATE OF workspace_id, account_id ON privacy.platform_link
FOR EACH ROW EXECUTE FUNCTION core.require_member();
CREATE TRIGGER require_member BEFORE INSERT OR UPDATE OF workspace_id, account_id ON privacy.proposal
FOR EACH ROW EXECUTE FUNCTION core.require_member();
CREATE TRIGGER require_member BEFORE INSERT OR UPDATE OF workspace_id, account_id ON privacy.rights_request
FOR EACH ROW EXECUTE FUNCTION core.require_member();
ALTER TABLE privacy.platform_link ENABLE ALWAYS TRIGGER require_member;
ALTER TABLE privacy.proposal ENABLE ALWAYS TRIGGER require_member;
ALTER TABLE privacy.rights_request ENABLE ALWAYS TRIGGER require_member;

CREATE FUNCTION privacy.end_links() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ''
AS $$
BEGIN
    UPDATE privacy.platform_link AS l
    SET status = 'UNLINKED', unlinked_at = now(), unlink_reason = 'The member left the workspace.', next_scan_at = NULL, awaited_until = NULL
    FROM changed_rows AS c
    WHERE l.workspace_id = c.workspace_id
        AND l.account_id = c.account_id
        AND l.status = 'ACTIVE';
    RETURN NULL;
END
$$;

CREATE TRIGGER end_links AFTER DELETE ON core.member REFERENCING OLD TABLE AS changed_rows
FOR EACH STATEMENT EXECUTE FUNCTION privacy.end_links();
ALTER TABLE core.member ENABLE ALWAYS TRIGGER end_links;

REVOKE ALL ON FUNCTION privacy.end_links() FROM PUBLIC;
