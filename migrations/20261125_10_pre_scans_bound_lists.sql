-- Why:      a list of scans is read from its beginning, however many scans a workspace has: by state, by what they have in common.
--           How often a monitor adds to them is a matter of the plan.
-- Change:   indexes of scans.scan, scans.scan_result and scans.access.
-- Locks:    SHARE on scans.scan and scans.access while indexes are built; ACCESS EXCLUSIVE on scans.scan_result, whose indexes go.
-- Data:     a limit for each plan.
-- Old code: its statements use what replaces the indexes of hashes.
-- Rollback: the indexes that were; deletes the limits.
-- depends: 20261124_76_pre_core_alert_of_more 20261124_32_pre_scans_create_indicator 20261124_20_pre_scans_create_access

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- What is not finished has an index of its own; each scan enters this one once.
-- allow require-concurrent-index-creation: the tables came in the same release, so they are empty or nearly.
CREATE INDEX scan_ended_idx ON scans.scan (workspace_id, state, id) WHERE finished_at IS NOT NULL;
-- allow require-concurrent-index-creation: as above.
CREATE INDEX access_workspace_id_address_scan_id_idx ON scans.access (workspace_id, address, scan_id) WHERE address IS NOT NULL;

-- In the order in which they are shown.
-- allow require-concurrent-index-creation: as above.
CREATE INDEX scan_result_workspace_id_content_hash_scan_id_idx ON scans.scan_result (workspace_id, content_hash, scan_id)
WHERE content_hash IS NOT NULL;
-- allow require-concurrent-index-creation: as above.
CREATE INDEX scan_result_workspace_id_favicon_hash_scan_id_idx ON scans.scan_result (workspace_id, favicon_hash, scan_id)
WHERE favicon_hash IS NOT NULL;
-- allow require-concurrent-index-creation: as above.
CREATE INDEX scan_result_workspace_id_certificate_hash_scan_id_idx ON scans.scan_result (workspace_id, certificate_hash, scan_id)
WHERE certificate_hash IS NOT NULL;

-- allow require-concurrent-index-deletion: as above.
DROP INDEX scans.scan_result_workspace_id_content_hash_idx;
-- allow require-concurrent-index-deletion: as above.
DROP INDEX scans.scan_result_workspace_id_favicon_hash_idx;
-- allow require-concurrent-index-deletion: as above.
DROP INDEX scans.scan_result_workspace_id_certificate_hash_idx;

-- Scans of one monitor in a day, which are 24 at most: the shortest interval is an hour.
INSERT INTO core.plan_limit (plan_id, name, amount)
SELECT p.id, 'scans.monitor_daily_scans', l.amount
FROM (VALUES ('free', 1::bigint), ('pro', 4), ('premium', 24), ('enterprise', NULL)) AS l (slug, amount)
JOIN core.plan AS p USING (slug);
