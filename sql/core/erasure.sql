-- Erasures: the ledger of who asked to be forgotten, and who was.
-- Table: core.erasure

-- name: edge_erasure :edge
-- For node(id): a policy lets nobody see an erasure but their own.
SELECT e.id, e.requested_at, e.due_at, e.canceled_at, e.erased_at, e.organizations
FROM core.erasure AS e
WHERE e.account_id = :account_id
    AND e.id = ANY(:ids::uuid[]);

-- name: insert_erasure :one
-- One at a time, by a unique index; its constraint has no name to map, so a second one is found out by DO NOTHING.
INSERT INTO core.erasure (account_id, due_at, organizations)
VALUES (:account_id, now() + make_interval(days => :days::integer), :organizations)
ON CONFLICT DO NOTHING
RETURNING id, requested_at, due_at, canceled_at, erased_at, organizations;

-- name: insert_erasure_by_email :one
-- For the command line, which names people by their e-mail; what is scheduled already comes at the nearer moment.
INSERT INTO core.erasure AS e (account_id, due_at, organizations)
SELECT a.id, now() + make_interval(days => :days::integer), :organizations
FROM core.account AS a
WHERE a.email = lower(:email)
ON CONFLICT (account_id) WHERE canceled_at IS NULL AND erased_at IS NULL DO UPDATE
SET due_at = least(e.due_at, excluded.due_at),
    organizations = excluded.organizations
RETURNING e.id, e.account_id, e.workspace_id, e.organizations, e.requested_at, e.due_at, e.erased_at;

-- name: list_erasure_count :many
-- A dry run: what the caller's erasure would do, in numbers.
SELECT p.object, p.rule, p.amount, p.reason
FROM core.preview_erasure(:organizations) AS p;

-- name: list_ledger :many
-- For a file outside of the database, by which erasures are done again after an old dump was restored.
SELECT e.id, e.account_id, e.workspace_id, e.organizations, e.requested_at, e.due_at, e.erased_at
FROM core.erasure AS e
WHERE e.canceled_at IS NULL
    AND e.due_at <= now()
ORDER BY e.id;

-- name: list_sole_ownership :many
-- Organizations that would be without an owner; others' names are not among the columns.
SELECT o.workspace_id, o.name, o.others
FROM core.list_sole_ownership() AS o;

-- name: page_erasure :page
-- The caller's own, newest first.
SELECT e.id, e.requested_at, e.due_at, e.canceled_at, e.erased_at, e.organizations
FROM core.erasure AS e
WHERE e.account_id = :account_id
    AND e.id < :after_id
ORDER BY e.id DESC
LIMIT :limit;

-- name: take_erased :one
-- Erases what is due, in the open transaction.
SELECT core.erase(:id) AS erased;

-- name: update_canceled_erasure :one
-- As long as it has not happened.
UPDATE core.erasure AS e
SET canceled_at = now()
WHERE e.account_id = :account_id
    AND e.id = :id
    AND e.erased_at IS NULL
    AND e.canceled_at IS NULL
RETURNING e.id, e.requested_at, e.due_at, e.canceled_at, e.erased_at, e.organizations;

-- name: update_superseded_erasure :exec
-- What a restored dump still has scheduled for one whom the ledger erases anyway.
UPDATE core.erasure AS e
SET canceled_at = now()
WHERE (e.account_id = :subject_id OR e.workspace_id = :subject_id)
    AND e.id <> :id
    AND e.erased_at IS NULL
    AND e.canceled_at IS NULL;

-- name: upsert_erasure :one
-- From the ledger's file: due at once where the dump brought somebody back; no row where there is nobody to erase.
INSERT INTO core.erasure AS e (id, account_id, workspace_id, organizations, requested_at, due_at)
SELECT :id, :subject_account_id::uuid, :subject_workspace_id::uuid, :organizations, :requested_at, now()
WHERE EXISTS (SELECT FROM core.account AS a WHERE a.id = :subject_account_id::uuid)
    OR EXISTS (SELECT FROM core.workspace AS w WHERE w.id = :subject_workspace_id::uuid AND w.erased_at IS NULL)
ON CONFLICT (id) DO UPDATE
SET due_at = now(),
    erased_at = NULL,
    canceled_at = NULL
RETURNING e.id, e.account_id, e.workspace_id, e.organizations, e.requested_at, e.due_at, e.erased_at;
