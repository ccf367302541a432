-- Invitations: somebody is asked to become a member.
-- Table: core.invitation

-- name: answer_invitation :one
-- By whoever holds the token, or whose proven address it is; the function says who may.
SELECT a.outcome, a.of_workspace_id, a.reached, a.used, a.plan
FROM core.answer_invitation(:token_hash::bytea, :id::uuid, :accept) AS a;

-- name: count_invitation :one
-- Those that are open, expired or not: each may be mailed again.
SELECT count(*) AS open
FROM core.invitation AS i
WHERE i.workspace_id = :workspace_id
    AND i.state = 'OPEN';

-- name: edge_invitation :edge
-- For node(id) and for what a mutation answers.
SELECT i.id, i.email, i.role, i.created_at, i.expires_at, i.sent_at, i.closed_at, i.account_id,
    CASE
        WHEN i.state = 'OPEN' AND i.expires_at <= now() THEN 'EXPIRED'
        WHEN
            i.state = 'OPEN'
            AND NOT EXISTS (
                SELECT
                FROM core.list_inviter() AS s
                WHERE s.account_id = i.account_id
                    AND s.role IN ('owner', CASE WHEN i.role <> 'owner' THEN 'admin' END)
            )
            THEN 'LAPSED'
        ELSE i.state
    END AS state
FROM core.invitation AS i
WHERE i.workspace_id = :workspace_id
    AND i.id = ANY(:ids::uuid[]);

-- name: get_email_member :one
-- Whether the address is a member's.
SELECT h.taken
FROM core.has_member_email(:email) AS h (taken);

-- name: insert_invitation :one
-- An open invitation of the same address is refused by its index.
INSERT INTO core.invitation (workspace_id, account_id, email, role)
VALUES (:workspace_id, :account_id, :email, :role)
RETURNING id, email, role, created_at, expires_at, sent_at, closed_at, account_id, 'OPEN' AS state;

-- name: page_invitation :page
-- Newest first, settled ones too.
SELECT i.id, i.email, i.role, i.created_at, i.expires_at, i.sent_at, i.closed_at, i.account_id,
    CASE
        WHEN i.state = 'OPEN' AND i.expires_at <= now() THEN 'EXPIRED'
        WHEN
            i.state = 'OPEN'
            AND NOT EXISTS (
                SELECT
                FROM core.list_inviter() AS s
                WHERE s.account_id = i.account_id
                    AND s.role IN ('owner', CASE WHEN i.role <> 'owner' THEN 'admin' END)
            )
            THEN 'LAPSED'
        ELSE i.state
    END AS state
FROM core.invitation AS i
WHERE i.workspace_id = :workspace_id
    AND i.id < :after_id
    AND i.state = 'OPEN' AND :open  -- if :open
ORDER BY i.id DESC
LIMIT :limit;

-- name: page_own_invitation :page
-- What waits for the caller's proven address, in whichever workspace.
SELECT i.id, i.workspace_name, i.color, i.logo_url, i.role, i.created_at, i.expires_at
FROM core.list_own_invitation() AS i
WHERE i.id < :after_id
ORDER BY i.id DESC
LIMIT :limit;

-- name: revoke_expired_invitation :exec
-- One of the same address that nobody answered makes room for the next.
UPDATE core.invitation AS i
SET state = 'REVOKED',
    closed_at = now(),
    token_hash = NULL
WHERE i.workspace_id = :workspace_id
    AND i.email = :email
    AND i.state = 'OPEN'
    AND i.expires_at <= now();

-- name: revoke_invitation :one
-- Nothing where it is closed.
UPDATE core.invitation AS i
SET state = 'REVOKED',
    closed_at = now(),
    token_hash = NULL
WHERE i.workspace_id = :workspace_id
    AND i.id = :id
    AND i.state = 'OPEN'
RETURNING i.id, i.email, i.role, i.created_at, i.expires_at, i.sent_at, i.closed_at, i.account_id, 'REVOKED' AS state;

-- name: take_invitation :one
-- By the job that mails: the token before works no longer. Nothing where nobody is to be asked any more.
UPDATE core.invitation AS i
SET token_hash = :token_hash,
    sent_at = now()
FROM core.workspace AS w
WHERE i.workspace_id = :workspace_id
    AND i.id = :id
    AND i.state = 'OPEN'
    AND i.expires_at > now()
    AND w.id = i.workspace_id
    AND EXISTS (
        SELECT
        FROM core.list_inviter() AS s
        WHERE s.account_id = i.account_id
            AND s.role IN ('owner', CASE WHEN i.role <> 'owner' THEN 'admin' END)
    )
RETURNING i.email, i.role, i.expires_at, w.name;

-- name: update_invitation :one
-- Asked again by whoever does it now: seven days more, and the token before works no longer. Nothing where it is closed.
UPDATE core.invitation AS i
SET account_id = :account_id,
    expires_at = now() + interval '7 days',
    token_hash = NULL
WHERE i.workspace_id = :workspace_id
    AND i.id = :id
    AND i.state = 'OPEN'
RETURNING i.id, i.email, i.role, i.created_at, i.expires_at, i.sent_at, i.closed_at, i.account_id, 'OPEN' AS state;
