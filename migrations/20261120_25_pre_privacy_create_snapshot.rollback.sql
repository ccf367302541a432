SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

ALTER TABLE privacy.platform_link DROP CONSTRAINT platform_link_latest_snapshot_fkey;
DROP INDEX privacy.platform_link_latest_snapshot_idx;
DROP TABLE privacy.snapshot;
