SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow require-concurrent-index-deletion: one transaction leaves no moment without uniqueness.
DROP INDEX privacy.platform_link_label_idx;
-- allow require-concurrent-index-creation: as above.
CREATE UNIQUE INDEX platform_link_label_idx ON privacy.platform_link (workspace_id, platform_id, label) WHERE status = 'ACTIVE';
