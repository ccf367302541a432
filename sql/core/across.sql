-- Statements that look across workspaces, run by the worker role. Each says why.

-- name: create_audit_partition :exec
-- Partitions belong to no workspace; without next month's, every mutation of everyone fails.
SELECT core.create_audit_partition((date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => ahead))::date)
FROM generate_series(0, :months_ahead::integer) AS ahead;

-- name: delete_api_key_network :exec
-- Where a key was not seen for 90 days it is new again; the worker's policy shows it no younger ones.
DELETE FROM core.api_key_network AS n
WHERE n.seen_at < now() - interval '90 days';

-- name: delete_billing_event :exec
-- What a payment provider told is kept for 400 days in every workspace; the worker's policy lets it drop no younger ones.
DELETE FROM core.billing_event AS e
WHERE e.id < core.uuidv7_floor(now() - interval '400 days');

-- name: delete_data_export :exec
-- Exports are kept for seven days in every workspace; the worker's policy shows it no younger ones.
DELETE FROM core.data_export AS e
WHERE e.expires_at < now();

-- name: delete_email_token :exec
-- Mails that were asked for are forgotten after two days; the worker's policy shows it none that are good.
DELETE FROM core.email_token AS t
WHERE t.expires_at < now();

-- name: delete_erased_identity :exec
-- That a subject was erased is forgotten after 90 days; the worker's policy shows it none that count.
DELETE FROM core.erased_identity AS i
WHERE i.expires_at < now();

-- name: delete_idempotency :exec
-- Keys are kept for seven days in every workspace; the worker's policy shows it no younger ones.
DELETE FROM core.idempotency AS i
WHERE i.created_at < now() - interval '7 days';

-- name: delete_invitation :exec
-- Addresses of people who were asked, in every workspace, are kept for a month after that ended; the worker's policy shows no younger.
DELETE FROM core.invitation AS i
WHERE coalesce(i.closed_at, i.expires_at) < now() - interval '30 days';

-- name: delete_notification :exec
-- Notifications are kept for 90 days in every workspace; the worker's policy lets it drop no younger ones.
DELETE FROM core.notification AS n
WHERE n.id < core.uuidv7_floor(now() - interval '90 days');

-- name: delete_outbox :exec
-- Listeners have seven days to come back, in every workspace; the worker's policy shows it nothing younger.
DELETE FROM core.outbox AS o
WHERE o.created_at < now() - interval '7 days';

-- name: delete_rate_bucket :exec
-- Full again long since, and as good as none; the worker's policy shows it no younger ones.
DELETE FROM core.rate_bucket AS b
WHERE b.refilled_at < now() - interval '1 day';

-- name: delete_security_alert :exec
-- Alerts are kept for 90 days in every workspace; the worker's policy shows it no younger ones.
DELETE FROM core.security_alert AS a
WHERE a.event_at < now() - interval '90 days';

-- name: delete_session :exec
-- What ran out a month ago is of no use to anybody's list; the worker's policy shows it no younger ones.
DELETE FROM core.session AS s
WHERE s.idle_until < now() - interval '30 days';

-- name: delete_sign_in :exec
-- Sign-ins at providers that nobody ended in time; the worker's policy shows it no others.
DELETE FROM core.sign_in AS s
WHERE s.expires_at < now();

-- name: delete_sign_up :exec
-- Wishes that nobody confirmed are forgotten after two days; the worker's policy shows it none that are good.
DELETE FROM core.sign_up AS s
WHERE s.expires_at < now();

-- name: delete_webhook_delivery :exec
-- Deliveries are kept for 30 days in every workspace; the worker's policy shows it no younger ones that have ended.
DELETE FROM core.webhook_delivery AS d
WHERE d.event_at < now() - interval '30 days';

-- name: insert_notifications :exec
-- Tells people of many workspaces at once, each unless they left or want neither to see nor to get it.
INSERT INTO core.notification (workspace_id, account_id, object_id, send_at, kind, detail)
SELECT m.workspace_id, m.account_id, m.object_id,
    CASE WHEN coalesce(p.email_off, 0) >> :kind::integer & 1 = 0 THEN now() END, :kind::integer, :detail::jsonb
FROM unnest(:workspace_ids::uuid[], :account_ids::uuid[], :object_ids::uuid[]) AS m (workspace_id, account_id, object_id)
JOIN core.member AS c ON c.workspace_id = m.workspace_id AND c.account_id = m.account_id
LEFT JOIN core.notification_preference AS p ON p.workspace_id = m.workspace_id AND p.account_id = m.account_id
WHERE coalesce(p.in_app_off & p.email_off, 0) >> :kind::integer & 1 = 0;

-- name: list_digest_reader :many
-- Whose Monday has come is asked of everybody who reads digests: those who have not had that of the newest week anywhere.
SELECT p.workspace_id, p.account_id, a.time_zone, p.digest_week
FROM core.notification_preference AS p
JOIN core.account AS a ON a.id = p.account_id
WHERE p.weekly_digest
    AND p.digest_week < :newest_week
ORDER BY p.digest_week, p.account_id;

-- name: list_domain_due :many
-- Proofs of all workspaces are checked again each day; the longest unchecked first.
SELECT d.workspace_id, d.id AS domain_id
FROM core.domain AS d
WHERE d.proven_at IS NOT NULL
    AND d.checked_at < now() - interval '20 hours'
ORDER BY d.checked_at
LIMIT :limit;

-- name: list_due_erasure :many
-- Whose time to think has passed is asked of everybody who asked to be forgotten.
SELECT e.id, e.account_id, e.workspace_id, e.organizations, e.requested_at, e.due_at, e.erased_at
FROM core.erasure AS e
WHERE e.canceled_at IS NULL
    AND e.erased_at IS NULL
    AND e.due_at <= now()
    AND e.id <> ALL (:waiting_ids::uuid[])
ORDER BY e.due_at
LIMIT :limit;

-- name: list_ending_subscription :many
-- Trials and days of grace end in any workspace.
SELECT DISTINCT s.workspace_id
FROM core.subscription AS s
WHERE s.trial_ends_at <= now() AND s.status = 'trial' AND s.provider_subscription_id IS NULL
    OR s.grace_until <= now()
LIMIT :limit;

-- name: list_expired_reservation :many
-- Credits are held in any workspace by work that never said how it ended; the longest forgotten come first.
SELECT r.workspace_id
FROM core.reservation AS r
WHERE r.status = 'HELD'
    AND r.expires_at <= now()
GROUP BY r.workspace_id
ORDER BY min(r.expires_at)
LIMIT :limit;

-- name: list_mail_due :many
-- Mail waits in any workspace; who waits longest comes first.
SELECT n.workspace_id, n.account_id
FROM core.notification AS n
WHERE n.send_at <= now()
GROUP BY n.workspace_id, n.account_id
ORDER BY min(n.send_at)
LIMIT :limit;

-- name: list_overdue_delivery :many
-- Deliveries whose job was lost, in any workspace: each has one, which is a little late at most.
SELECT d.workspace_id, d.id, d.turn
FROM core.webhook_delivery AS d
WHERE d.next_at < now() - interval '2 minutes'
ORDER BY d.next_at
LIMIT :limit;
