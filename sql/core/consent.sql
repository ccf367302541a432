-- Consents: that a member agreed to a version of a purpose, and until when.
-- Table: core.consent

-- name: edge_consent :edge
-- For node(id) and for what a mutation answers: a policy lets nobody see a consent but their own.
SELECT c.id, c.purpose, c.version, c.given_at, c.withdrawn_at, c.replaced_at, c.how, core.consent_holds(c) AS holds
FROM core.consent AS c
WHERE c.workspace_id = :workspace_id
    AND c.account_id = :account_id
    AND c.id = ANY(:ids::uuid[]);

-- name: get_consent :one
-- The open one, if it holds.
SELECT c.id
FROM core.consent AS c
WHERE c.workspace_id = :workspace_id
    AND c.account_id = :account_id
    AND c.purpose = :purpose
    AND c.withdrawn_at IS NULL
    AND c.replaced_at IS NULL
    AND core.consent_holds(c);

-- name: get_last_consent :one
-- The newest, open or not.
SELECT c.id
FROM core.consent AS c
WHERE c.workspace_id = :workspace_id
    AND c.account_id = :account_id
    AND c.purpose = :purpose
ORDER BY c.id DESC
LIMIT 1;

-- name: insert_consent :one
-- Callers hold the lock, and have ended the one before.
INSERT INTO core.consent (workspace_id, account_id, purpose, version, how)
VALUES (:workspace_id, :account_id, :purpose, :version, :how)
RETURNING id;

-- name: lock_consent :one
-- Giving and withdrawing take turns here, so that one consent begins after the other has ended.
SELECT
    pg_advisory_xact_lock(
        hashtextextended(concat_ws(' ', 'core.consent', :workspace_id::uuid, :account_id::uuid, :purpose::text), 0)
    ) IS NULL AS taken;

-- name: lock_consent_of :one
-- By a job, of a person: the worker has no right to lock rows itself, so a function of the owner does.
SELECT core.hold_consent(:subject_id, :purpose) AS holds;

-- name: lock_open_consent :one
-- While the row is held, it is not withdrawn: what needs the consent is done before, or is not.
SELECT c.id, c.version, core.consent_holds(c) AS holds
FROM core.consent AS c
WHERE c.workspace_id = :workspace_id
    AND c.account_id = :account_id
    AND c.purpose = :purpose
    AND c.withdrawn_at IS NULL
    AND c.replaced_at IS NULL
FOR NO KEY UPDATE;

-- name: page_consent :page
-- The caller's in this workspace, newest first, ended ones too.
SELECT c.id, c.purpose, c.version, c.given_at, c.withdrawn_at, c.replaced_at, c.how, core.consent_holds(c) AS holds
FROM core.consent AS c
WHERE c.workspace_id = :workspace_id
    AND c.account_id = :account_id
    AND c.id < :after_id
ORDER BY c.id DESC
LIMIT :limit;

-- name: update_replaced_consent :exec
-- Because the person agrees anew.
UPDATE core.consent AS c
SET replaced_at = greatest(clock_timestamp(), c.given_at)
WHERE c.workspace_id = :workspace_id
    AND c.account_id = :account_id
    AND c.id = :id
    AND c.withdrawn_at IS NULL
    AND c.replaced_at IS NULL;

-- name: update_withdrawn_consent :exec
-- Withdrawing twice keeps the first moment.
UPDATE core.consent AS c
SET withdrawn_at = greatest(clock_timestamp(), c.given_at)
WHERE c.workspace_id = :workspace_id
    AND c.account_id = :account_id
    AND c.purpose = :purpose
    AND c.withdrawn_at IS NULL
    AND c.replaced_at IS NULL;
