SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DROP TRIGGER end_links ON core.member;
DROP FUNCTION privacy.end_links();
DROP TRIGGER require_member ON privacy.rights_request;
DROP TRIGGER require_member ON privacy.proposal;
DROP TRIGGER require_member ON privacy.platform_link;
-- allow require-concurrent-index-deletion: small.
DROP INDEX privacy.rights_request_account_id_idx;
-- allow require-concurrent-index-deletion: as above.
DROP INDEX privacy.proposal_account_id_idx;
-- allow require-concurrent-index-deletion: as above.
DROP INDEX privacy.platform_link_account_id_idx;
-- allow ban-drop-constraint, constraint-missing-not-valid, adding-foreign-key-constraint: as the migration.
ALTER TABLE privacy.rights_request
DROP CONSTRAINT rights_request_account_id_fkey,
DROP CONSTRAINT rights_request_workspace_id_fkey,
ADD CONSTRAINT rights_request_member_fkey FOREIGN KEY (workspace_id, account_id) REFERENCES core.member (workspace_id, account_id);
-- allow ban-drop-constraint, constraint-missing-not-valid, adding-foreign-key-constraint: as the migration.
ALTER TABLE privacy.proposal
DROP CONSTRAINT proposal_account_id_fkey,
DROP CONSTRAINT proposal_workspace_id_fkey,
ADD CONSTRAINT proposal_member_fkey FOREIGN KEY (workspace_id, account_id) REFERENCES core.member (workspace_id, account_id);
-- allow ban-drop-constraint, constraint-missing-not-valid, adding-foreign-key-constraint: as the migration.
ALTER TABLE privacy.platform_link
DROP CONSTRAINT platform_link_account_id_fkey,
DROP CONSTRAINT platform_link_workspace_id_fkey,
ADD CONSTRAINT platform_link_member_fkey FOREIGN KEY (workspace_id, account_id) REFERENCES core.member (workspace_id, account_id);
