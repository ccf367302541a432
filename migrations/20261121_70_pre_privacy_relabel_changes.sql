-- Why:      what many people saw at once gets the platform as its origin; the worker finds such changes in all workspaces.
-- Change:   privacy.change: origin PLATFORM_CROWD, which the worker as the system may set, and nothing else; an index by capture.
--           It sees whose links they are and who belongs to a common organization, to count only unrelated people.
-- Locks:    ACCESS EXCLUSIVE on privacy.change, core.member and core.workspace for a moment; the small index is made within it.
-- Data:     no rows are written; rows that are there are checked by a migration that comes after the code.
-- Old code: does not know the origin, which nothing sets before the new worker runs.
-- Rollback: refused by its constraint while a change has that origin.
-- depends: 20261121_54_pre_privacy_create_crowd_evidence 20261121_53_pre_privacy_show_acknowledgements_to_worker 20261121_18_pre_privacy_show_changes_to_worker

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow ban-drop-constraint: the next statement makes it again, with one value more.
ALTER TABLE privacy.change DROP CONSTRAINT change_origin_known;
ALTER TABLE privacy.change ADD CONSTRAINT change_origin_known
CHECK (origin IN ('USER', 'PLATFORM_DEFAULT', 'PLATFORM_STRUCTURE', 'PLATFORM_CROWD', 'TECHNICAL', 'UNKNOWN')) NOT VALID;

-- Ids are made of the capture, and rows come about in its order: a few bytes for 128 pages find those of the last days.
-- allow require-concurrent-index-creation: it reads the table once, a second for a million changes, and no installation has more.
CREATE INDEX change_snapshot_id_idx ON privacy.change USING brin (snapshot_id);

CREATE POLICY worker_crowd ON privacy.change TO fivefold_worker
USING ((SELECT core.current_workspace_id()) = (SELECT core.system_workspace_id()));
-- Restrictive: it holds in a workspace too. What a person was seen doing, or says, is never taken back.
CREATE POLICY crowd ON privacy.change AS RESTRICTIVE FOR UPDATE TO fivefold_worker
USING (origin = 'USER' AND confidence < 1) WITH CHECK (origin = 'PLATFORM_CROWD' AND confidence < 1);
CREATE POLICY worker_crowd ON core.member FOR SELECT TO fivefold_worker
USING ((SELECT core.current_workspace_id()) = (SELECT core.system_workspace_id()));
CREATE POLICY worker_crowd ON core.workspace FOR SELECT TO fivefold_worker
USING ((SELECT core.current_workspace_id()) = (SELECT core.system_workspace_id()));

GRANT UPDATE (origin, confidence) ON privacy.change TO fivefold_worker;
