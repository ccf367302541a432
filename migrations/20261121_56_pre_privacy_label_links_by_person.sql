-- Why:      members of an organization do not see each other's links, so that one's label must not take it from another.
-- Change:   platform_link_label_idx is unique by person, too.
-- Locks:    SHARE on privacy.platform_link while the new index is built, then ACCESS EXCLUSIVE for a moment.
-- Data:     no rows are written; what was unique by workspace is unique by person.
-- Old code: maps the index by its name, which stays.
-- Rollback: unique by workspace again; refused where two members use one label meanwhile.
-- depends: 20261120_24_pre_privacy_create_platform_link

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow require-concurrent-index-creation: a few links for each person are indexed in a moment, and one transaction leaves none without uniqueness.
CREATE UNIQUE INDEX platform_link_account_label_idx ON privacy.platform_link (workspace_id, account_id, platform_id, label)
WHERE status = 'ACTIVE';
-- allow require-concurrent-index-deletion: as above.
DROP INDEX privacy.platform_link_label_idx;
-- allow renaming-object: the name is what the code maps.
ALTER INDEX privacy.platform_link_account_label_idx RENAME TO platform_link_label_idx;
