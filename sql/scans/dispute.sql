-- Disputes: somebody says that a verdict is wrong.
-- Table: scans.dispute

-- name: count_open_dispute :one
-- For the plan's limit.
SELECT count(*) AS used
FROM scans.dispute AS d
WHERE d.workspace_id = :workspace_id
    AND d.state = 'OPEN';

-- name: edge_dispute :edge
-- For node(id) and for what a mutation answers.
SELECT d.id, d.scan_id, d.state, d.claim, d.reason, d.answer, uuid_extract_timestamp(d.id) AS created_at, d.resolved_at
FROM scans.dispute AS d
WHERE d.workspace_id = :workspace_id
    AND d.id = ANY(:ids::uuid[]);

-- name: get_dispute_teller :one
-- Whom to tell, for the job that acts in their workspace.
SELECT d.account_id AS member_id, d.state
FROM scans.dispute AS d
WHERE d.workspace_id = :workspace_id
    AND d.id = :id
    AND d.state IN ('ACCEPTED', 'REJECTED');

-- name: insert_dispute :one
-- Only what was judged can be judged wrongly.
INSERT INTO scans.dispute (workspace_id, scan_id, account_id, claim, reason)
SELECT s.workspace_id, s.id, :account_id, :claim, :reason
FROM scans.scan AS s
WHERE s.workspace_id = :workspace_id
    AND s.id = :scan_id
    AND s.state = 'COMPLETED'
RETURNING id;

-- name: page_dispute :page
-- The newest first.
SELECT d.id, d.scan_id, d.state, d.claim, d.reason, d.answer, uuid_extract_timestamp(d.id) AS created_at, d.resolved_at
FROM scans.dispute AS d
WHERE d.workspace_id = :workspace_id
    AND d.id < :after_id
    AND d.state = :state  -- if :state
ORDER BY d.id DESC
LIMIT :limit;

-- name: page_open_dispute :page
-- Of all workspaces, for curators alone, and without whose they are; see the function. What waits longest comes first.
SELECT o.id, o.claim, o.reason, o.host, o.masked_url, uuid_extract_timestamp(o.id) AS created_at
FROM scans.list_open_dispute(:after_id, :limit) AS o (id, claim, reason, host, masked_url)
WHERE o.id > :after_id
ORDER BY o.id
LIMIT :limit;

-- name: resolve_dispute :one
-- Of any workspace, by a curator alone; see the function.
SELECT r.workspace_id AS of_workspace_id, r.state
FROM scans.resolve_dispute(:id, :accepted, :answer) AS r (workspace_id, state);

-- name: withdraw_dispute :one
-- Withdrawing it again changes nothing.
UPDATE scans.dispute AS d
SET state = 'WITHDRAWN',
    resolved_at = coalesce(d.resolved_at, now())
WHERE d.workspace_id = :workspace_id
    AND d.id = :id
    AND d.state IN ('OPEN', 'WITHDRAWN')
RETURNING d.id;
