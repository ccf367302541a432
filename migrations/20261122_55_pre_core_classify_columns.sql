-- Why:      what every column holds of a person must be known before it can be handed over or erased as a whole.
-- Change:   core.data_subject and core.list_subject(): which columns say whose a row is.
-- Locks:    none on existing tables.
-- Data:     one row for every column of every table into core.data_inventory; ten into core.data_subject.
-- Old code: shows the inventory.
-- Rollback: drops the table and empties the inventory of these tables.
-- depends: 20261122_02_pre_core_create_data_inventory

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE core.data_subject (
    object      text NOT NULL,
    column_name text NOT NULL,
    kind        text NOT NULL CONSTRAINT data_subject_kind_known CHECK (kind IN ('workspace', 'account', 'email', 'mention')),
    CONSTRAINT data_subject_pkey PRIMARY KEY (object, column_name)
);

COMMENT ON TABLE core.data_subject IS 'shared. Columns that say whose a row is where no foreign key does; the others are found by core.list_subject().';
COMMENT ON COLUMN core.data_subject.kind IS
'workspace or account: its id. email: an address. mention: text, JSON or bytes in which the id or the address of the person may stand.';

ALTER TABLE core.data_subject ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.data_subject FORCE ROW LEVEL SECURITY;
-- allow always-true-policy: it tells of columns, not of people.
CREATE POLICY reader ON core.data_subject FOR SELECT TO fivefold_api, fivefold_worker USING (true);
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON core.data_subject TO fivefold_owner USING (true) WITH CHECK (true);
GRANT SELECT ON core.data_subject TO fivefold_api, fivefold_worker;

INSERT INTO core.data_subject (object, column_name, kind) VALUES
('core.audit_detail', 'workspace_id', 'workspace'),
('core.audit_event', 'actor_id', 'account'),
('core.audit_event', 'workspace_id', 'workspace'),
('core.notification', 'detail', 'mention'),
('core.notification', 'object_id', 'mention'),
('core.outbox', 'detail', 'mention'),
('core.outbox', 'object_id', 'mention'),
('core.rate_bucket', 'workspace_id', 'workspace'),
('jobs.pgqueuer', 'dedupe_key', 'mention'),
('jobs.pgqueuer', 'payload', 'mention');

-- A column that refers to the id of an account or of a workspace, however many foreign keys lie between them, says whose the
-- row is. An identifier called email does too.
CREATE FUNCTION core.list_subject() RETURNS TABLE (object text, column_name text, kind text)
LANGUAGE sql STABLE
SET search_path = ''
AS $$
    WITH RECURSIVE step AS (
        SELECT c.conrelid AS child, k.child AS child_column, c.confrelid AS parent, k.parent AS parent_column
        FROM pg_catalog.pg_constraint AS c
        CROSS JOIN unnest(c.conkey, c.confkey) AS k (child, parent)
        WHERE c.contype = 'f'
            AND c.conparentid = 0
    ),
    found AS (
        SELECT a.attrelid AS relation, a.attnum AS number, split_part(a.attrelid::regclass::text, '.', 2) AS kind
        FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid IN ('core.account'::regclass, 'core.workspace'::regclass)
            AND a.attname = 'id'
        UNION
        SELECT s.child, s.child_column, f.kind
        FROM found AS f
        JOIN step AS s ON s.parent = f.relation AND s.parent_column = f.number
    )
    SELECT f.relation::regclass::text, a.attname::text, f.kind
    FROM found AS f
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = f.relation AND a.attnum = f.number
    UNION
    SELECT i.object, i.column_name, 'email'
    FROM core.data_inventory AS i
    WHERE i.column_name = 'email'
        AND i.class = 'identifier'
    UNION
    SELECT s.object, s.column_name, s.kind
    FROM core.data_subject AS s
$$;

REVOKE ALL ON FUNCTION core.list_subject() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION core.list_subject() TO fivefold_api, fivefold_worker;

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.account', 'id', 'technical', 'account', 'include', 'delete', 'account', NULL),
('core.account', 'created_at', 'technical', 'account', 'include', 'delete', 'account', NULL),
('core.account', 'email', 'identifier', 'account', 'include', 'delete', 'account', NULL),
('core.account', 'display_name', 'identifier', 'account', 'include', 'delete', 'account', NULL),
('core.account', 'locale', 'personal', 'account', 'include', 'delete', 'account', NULL),
('core.account', 'time_zone', 'personal', 'account', 'include', 'delete', 'account', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.api_key', 'workspace_id', 'technical', 'security', 'include', 'delete', 'workspace', NULL),
('core.api_key', 'id', 'technical', 'security', 'include', 'delete', 'workspace', NULL),
('core.api_key', 'account_id', 'identifier', 'security', 'include', 'delete', 'workspace', NULL),
('core.api_key', 'created_at', 'technical', 'security', 'include', 'delete', 'workspace', NULL),
('core.api_key', 'expires_at', 'technical', 'security', 'include', 'delete', 'workspace', NULL),
('core.api_key', 'revoked_at', 'technical', 'security', 'include', 'delete', 'workspace', NULL),
('core.api_key', 'last_used_at', 'technical', 'security', 'include', 'delete', 'workspace', NULL),
('core.api_key', 'name', 'personal', 'security', 'include', 'delete', 'workspace', NULL),
('core.api_key', 'hint', 'personal', 'security', 'omit', 'delete', 'workspace', 'The beginning of a secret; the key is known by its name.'),
('core.api_key', 'secret_hash', 'secret', 'security', 'omit', 'delete', 'workspace', NULL),
('core.api_key', 'scopes', 'technical', 'security', 'include', 'delete', 'workspace', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.audit_detail', 'workspace_id', 'technical', 'audit', 'include', 'delete', 'audit retention', NULL),
('core.audit_detail', 'event_id', 'technical', 'audit', 'include', 'delete', 'audit retention', NULL),
('core.audit_detail', 'salt', 'secret', 'audit', 'omit', 'delete', 'audit retention', 'Proves the detail together with the event; the detail is exported in its place.'),
('core.audit_detail', 'detail', 'personal', 'audit', 'include', 'delete', 'audit retention', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.audit_event', 'workspace_id', 'technical', 'audit', 'include', 'keep', 'audit retention', 'The proof that others hold must stay whole; it is a pseudonym with nobody behind it after an erasure.'),
('core.audit_event', 'id', 'technical', 'audit', 'include', 'keep', 'audit retention', 'The proof that others hold must stay whole; it is a pseudonym with nobody behind it after an erasure.'),
('core.audit_event', 'actor_id', 'identifier', 'audit', 'include', 'keep', 'audit retention', 'The proof that others hold must stay whole; it is a pseudonym with nobody behind it after an erasure.'),
('core.audit_event', 'api_key_id', 'technical', 'audit', 'include', 'keep', 'audit retention', 'The proof that others hold must stay whole; it is a pseudonym with nobody behind it after an erasure.'),
('core.audit_event', 'request_id', 'technical', 'audit', 'include', 'keep', 'audit retention', 'The proof that others hold must stay whole; it is a pseudonym with nobody behind it after an erasure.'),
('core.audit_event', 'object_id', 'technical', 'audit', 'include', 'keep', 'audit retention', 'The proof that others hold must stay whole; it is a pseudonym with nobody behind it after an erasure.'),
('core.audit_event', 'xid', 'technical', 'audit', 'omit', 'keep', 'audit retention', 'The order of transactions, for the seals.'),
('core.audit_event', 'form', 'technical', 'audit', 'include', 'keep', 'audit retention', 'The proof that others hold must stay whole; it is a pseudonym with nobody behind it after an erasure.'),
('core.audit_event', 'action', 'technical', 'audit', 'include', 'keep', 'audit retention', 'The proof that others hold must stay whole; it is a pseudonym with nobody behind it after an erasure.'),
('core.audit_event', 'object', 'technical', 'audit', 'include', 'keep', 'audit retention', 'The proof that others hold must stay whole; it is a pseudonym with nobody behind it after an erasure.'),
('core.audit_event', 'commitment', 'technical', 'audit', 'include', 'keep', 'audit retention', 'A salted digest; what it proved is deleted with its salt.');

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.curator', 'account_id', 'identifier', 'account', 'include', 'delete', 'account', NULL),
('core.curator', 'granted_at', 'technical', 'account', 'include', 'delete', 'account', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.data_inventory', 'object', 'shared', 'operation', 'omit', 'keep', 'product', NULL),
('core.data_inventory', 'column_name', 'shared', 'operation', 'omit', 'keep', 'product', NULL),
('core.data_inventory', 'class', 'shared', 'operation', 'omit', 'keep', 'product', NULL),
('core.data_inventory', 'purpose', 'shared', 'operation', 'omit', 'keep', 'product', NULL),
('core.data_inventory', 'export_rule', 'shared', 'operation', 'omit', 'keep', 'product', NULL),
('core.data_inventory', 'erase_rule', 'shared', 'operation', 'omit', 'keep', 'product', NULL),
('core.data_inventory', 'retention', 'shared', 'operation', 'omit', 'keep', 'product', NULL),
('core.data_inventory', 'reason', 'shared', 'operation', 'omit', 'keep', 'product', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.data_subject', 'object', 'shared', 'operation', 'omit', 'keep', 'product', NULL),
('core.data_subject', 'column_name', 'shared', 'operation', 'omit', 'keep', 'product', NULL),
('core.data_subject', 'kind', 'shared', 'operation', 'omit', 'keep', 'product', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.device', 'workspace_id', 'technical', 'security', 'include', 'delete', 'workspace', NULL),
('core.device', 'id', 'technical', 'security', 'include', 'delete', 'workspace', NULL),
('core.device', 'account_id', 'identifier', 'security', 'include', 'delete', 'workspace', NULL),
('core.device', 'created_at', 'technical', 'security', 'include', 'delete', 'workspace', NULL),
('core.device', 'revoked_at', 'technical', 'security', 'include', 'delete', 'workspace', NULL),
('core.device', 'last_used_at', 'technical', 'security', 'include', 'delete', 'workspace', NULL),
('core.device', 'name', 'personal', 'security', 'include', 'delete', 'workspace', NULL),
('core.device', 'public_key', 'personal', 'security', 'include', 'delete', 'workspace', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.idempotency', 'workspace_id', 'technical', 'operation', 'include', 'delete', '7 days', NULL),
('core.idempotency', 'result_id', 'technical', 'operation', 'include', 'delete', '7 days', NULL),
('core.idempotency', 'created_at', 'technical', 'operation', 'include', 'delete', '7 days', NULL),
('core.idempotency', 'created', 'technical', 'operation', 'include', 'delete', '7 days', NULL),
('core.idempotency', 'field', 'technical', 'operation', 'include', 'delete', '7 days', NULL),
('core.idempotency', 'key', 'personal', 'operation', 'include', 'delete', '7 days', NULL),
('core.idempotency', 'input_hash', 'personal', 'operation', 'omit', 'delete', '7 days', 'A digest of what the exported rows say in full.'),
('core.idempotency', 'moment', 'technical', 'operation', 'include', 'delete', '7 days', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.identity', 'id', 'technical', 'account', 'include', 'delete', 'account', NULL),
('core.identity', 'account_id', 'identifier', 'account', 'include', 'delete', 'account', NULL),
('core.identity', 'created_at', 'technical', 'account', 'include', 'delete', 'account', NULL),
('core.identity', 'issuer', 'personal', 'account', 'include', 'delete', 'account', NULL),
('core.identity', 'subject', 'identifier', 'account', 'include', 'delete', 'account', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.member', 'workspace_id', 'technical', 'account', 'include', 'delete', 'workspace', NULL),
('core.member', 'account_id', 'identifier', 'account', 'include', 'delete', 'workspace', NULL),
('core.member', 'joined_at', 'technical', 'account', 'include', 'delete', 'workspace', NULL),
('core.member', 'role', 'personal', 'account', 'include', 'delete', 'workspace', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.notification', 'workspace_id', 'technical', 'service', 'include', 'delete', '90 days', NULL),
('core.notification', 'account_id', 'identifier', 'service', 'include', 'delete', '90 days', NULL),
('core.notification', 'id', 'technical', 'service', 'include', 'delete', '90 days', NULL),
('core.notification', 'object_id', 'technical', 'service', 'include', 'delete', '90 days', NULL),
('core.notification', 'send_at', 'technical', 'service', 'include', 'delete', '90 days', NULL),
('core.notification', 'sent_at', 'technical', 'service', 'include', 'delete', '90 days', NULL),
('core.notification', 'read_at', 'personal', 'service', 'include', 'delete', '90 days', NULL),
('core.notification', 'kind', 'technical', 'service', 'include', 'delete', '90 days', NULL),
('core.notification', 'detail', 'personal', 'service', 'include', 'delete', '90 days', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.notification_preference', 'workspace_id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('core.notification_preference', 'account_id', 'identifier', 'service', 'include', 'delete', 'workspace', NULL),
('core.notification_preference', 'digest_week', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('core.notification_preference', 'in_app_off', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('core.notification_preference', 'email_off', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('core.notification_preference', 'quiet_from', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('core.notification_preference', 'quiet_until', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('core.notification_preference', 'weekly_digest', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('core.notification_preference', 'minimum_significance', 'personal', 'service', 'include', 'delete', 'workspace', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.outbox', 'workspace_id', 'technical', 'operation', 'include', 'delete', '7 days', NULL),
('core.outbox', 'id', 'technical', 'operation', 'include', 'delete', '7 days', NULL),
('core.outbox', 'xid', 'technical', 'operation', 'omit', 'delete', '7 days', NULL),
('core.outbox', 'object_id', 'technical', 'operation', 'include', 'delete', '7 days', NULL),
('core.outbox', 'created_at', 'technical', 'operation', 'include', 'delete', '7 days', NULL),
('core.outbox', 'kind', 'technical', 'operation', 'include', 'delete', '7 days', NULL),
('core.outbox', 'detail', 'personal', 'operation', 'include', 'delete', '7 days', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.plan', 'id', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('core.plan', 'position', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('core.plan', 'slug', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('core.plan', 'name', 'shared', 'service', 'omit', 'keep', 'product', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.plan_limit', 'plan_id', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('core.plan_limit', 'amount', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('core.plan_limit', 'name', 'shared', 'service', 'omit', 'keep', 'product', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.rate_bucket', 'workspace_id', 'technical', 'operation', 'omit', 'delete', '1 day', NULL),
('core.rate_bucket', 'refilled_at', 'technical', 'operation', 'omit', 'delete', '1 day', NULL),
('core.rate_bucket', 'tokens', 'technical', 'operation', 'omit', 'delete', '1 day', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.workspace', 'id', 'technical', 'account', 'include', 'keep', 'workspace', 'A pseudonym: what was kept for others still refers to it, and nothing else of the workspace is left in the row.'),
('core.workspace', 'created_at', 'technical', 'account', 'include', 'keep', 'workspace', 'A pseudonym: what was kept for others still refers to it, and nothing else of the workspace is left in the row.'),
('core.workspace', 'personal_account_id', 'identifier', 'account', 'include', 'anonymize', 'workspace', NULL),
('core.workspace', 'kind', 'technical', 'account', 'include', 'keep', 'workspace', 'A pseudonym: what was kept for others still refers to it, and nothing else of the workspace is left in the row.'),
('core.workspace', 'name', 'personal', 'account', 'include', 'anonymize', 'workspace', NULL),
('core.workspace', 'plan', 'technical', 'account', 'include', 'keep', 'workspace', 'A pseudonym: what was kept for others still refers to it, and nothing else of the workspace is left in the row.');

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('jobs.effect', 'job_id', 'technical', 'operation', 'omit', 'keep', '30 days', 'Jobs and their outcomes by number; whom they were for is in the payload, which is erased.'),
('jobs.effect', 'done_at', 'technical', 'operation', 'omit', 'keep', '30 days', 'Jobs and their outcomes by number; whom they were for is in the payload, which is erased.');

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('jobs.pgqueuer', 'id', 'technical', 'operation', 'omit', 'delete', '30 days', NULL),
('jobs.pgqueuer', 'priority', 'technical', 'operation', 'omit', 'delete', '30 days', NULL),
('jobs.pgqueuer', 'queue_manager_id', 'technical', 'operation', 'omit', 'delete', '30 days', NULL),
('jobs.pgqueuer', 'created', 'technical', 'operation', 'omit', 'delete', '30 days', NULL),
('jobs.pgqueuer', 'updated', 'technical', 'operation', 'omit', 'delete', '30 days', NULL),
('jobs.pgqueuer', 'heartbeat', 'technical', 'operation', 'omit', 'delete', '30 days', NULL),
('jobs.pgqueuer', 'execute_after', 'technical', 'operation', 'omit', 'delete', '30 days', NULL),
('jobs.pgqueuer', 'status', 'technical', 'operation', 'omit', 'delete', '30 days', NULL),
('jobs.pgqueuer', 'entrypoint', 'technical', 'operation', 'omit', 'delete', '30 days', NULL),
('jobs.pgqueuer', 'dedupe_key', 'personal', 'operation', 'omit', 'delete', '30 days', 'Repeats what the rows say that the job is about.'),
('jobs.pgqueuer', 'payload', 'personal', 'operation', 'omit', 'delete', '30 days', 'Repeats what the rows say that the job is about.'),
('jobs.pgqueuer', 'headers', 'personal', 'operation', 'omit', 'delete', '30 days', 'Repeats what the rows say that the job is about.'),
('jobs.pgqueuer', 'attempts', 'technical', 'operation', 'omit', 'delete', '30 days', NULL),
('jobs.pgqueuer', 'slot', 'technical', 'operation', 'omit', 'delete', '30 days', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('jobs.pgqueuer_log', 'id', 'technical', 'operation', 'omit', 'keep', '7 days', 'Jobs and their outcomes by number; whom they were for is in the payload, which is erased.'),
('jobs.pgqueuer_log', 'created', 'technical', 'operation', 'omit', 'keep', '7 days', 'Jobs and their outcomes by number; whom they were for is in the payload, which is erased.'),
('jobs.pgqueuer_log', 'job_id', 'technical', 'operation', 'omit', 'keep', '7 days', 'Jobs and their outcomes by number; whom they were for is in the payload, which is erased.'),
('jobs.pgqueuer_log', 'status', 'technical', 'operation', 'omit', 'keep', '7 days', 'Jobs and their outcomes by number; whom they were for is in the payload, which is erased.'),
('jobs.pgqueuer_log', 'priority', 'technical', 'operation', 'omit', 'keep', '7 days', 'Jobs and their outcomes by number; whom they were for is in the payload, which is erased.'),
('jobs.pgqueuer_log', 'entrypoint', 'technical', 'operation', 'omit', 'keep', '7 days', 'Jobs and their outcomes by number; whom they were for is in the payload, which is erased.'),
('jobs.pgqueuer_log', 'traceback', 'technical', 'operation', 'omit', 'keep', '7 days', 'Jobs and their outcomes by number; whom they were for is in the payload, which is erased.'),
('jobs.pgqueuer_log', 'aggregated', 'technical', 'operation', 'omit', 'keep', '7 days', 'Jobs and their outcomes by number; whom they were for is in the payload, which is erased.');

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('jobs.pgqueuer_schedules', 'id', 'shared', 'operation', 'omit', 'keep', 'product', NULL),
('jobs.pgqueuer_schedules', 'expression', 'shared', 'operation', 'omit', 'keep', 'product', NULL),
('jobs.pgqueuer_schedules', 'entrypoint', 'shared', 'operation', 'omit', 'keep', 'product', NULL),
('jobs.pgqueuer_schedules', 'heartbeat', 'shared', 'operation', 'omit', 'keep', 'product', NULL),
('jobs.pgqueuer_schedules', 'created', 'shared', 'operation', 'omit', 'keep', 'product', NULL),
('jobs.pgqueuer_schedules', 'updated', 'shared', 'operation', 'omit', 'keep', 'product', NULL),
('jobs.pgqueuer_schedules', 'next_run', 'shared', 'operation', 'omit', 'keep', 'product', NULL),
('jobs.pgqueuer_schedules', 'last_run', 'shared', 'operation', 'omit', 'keep', 'product', NULL),
('jobs.pgqueuer_schedules', 'status', 'shared', 'operation', 'omit', 'keep', 'product', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('jobs.pgqueuer_statistics', 'id', 'shared', 'operation', 'omit', 'keep', '90 days', NULL),
('jobs.pgqueuer_statistics', 'created', 'shared', 'operation', 'omit', 'keep', '90 days', NULL),
('jobs.pgqueuer_statistics', 'count', 'shared', 'operation', 'omit', 'keep', '90 days', NULL),
('jobs.pgqueuer_statistics', 'priority', 'shared', 'operation', 'omit', 'keep', '90 days', NULL),
('jobs.pgqueuer_statistics', 'status', 'shared', 'operation', 'omit', 'keep', '90 days', NULL),
('jobs.pgqueuer_statistics', 'entrypoint', 'shared', 'operation', 'omit', 'keep', '90 days', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('migration._yoyo_log', 'id', 'technical', 'operation', 'omit', 'keep', 'product', 'Who operated the database, and when: the history of its structure, not of people whose data it holds.'),
('migration._yoyo_log', 'migration_hash', 'technical', 'operation', 'omit', 'keep', 'product', 'Who operated the database, and when: the history of its structure, not of people whose data it holds.'),
('migration._yoyo_log', 'migration_id', 'technical', 'operation', 'omit', 'keep', 'product', 'Who operated the database, and when: the history of its structure, not of people whose data it holds.'),
('migration._yoyo_log', 'operation', 'technical', 'operation', 'omit', 'keep', 'product', 'Who operated the database, and when: the history of its structure, not of people whose data it holds.'),
('migration._yoyo_log', 'username', 'technical', 'operation', 'omit', 'keep', 'product', 'Who operated the database, and when: the history of its structure, not of people whose data it holds.'),
('migration._yoyo_log', 'hostname', 'technical', 'operation', 'omit', 'keep', 'product', 'Who operated the database, and when: the history of its structure, not of people whose data it holds.'),
('migration._yoyo_log', 'comment', 'technical', 'operation', 'omit', 'keep', 'product', 'Who operated the database, and when: the history of its structure, not of people whose data it holds.'),
('migration._yoyo_log', 'created_at_utc', 'technical', 'operation', 'omit', 'keep', 'product', 'Who operated the database, and when: the history of its structure, not of people whose data it holds.');

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('migration._yoyo_migration', 'migration_hash', 'technical', 'operation', 'omit', 'keep', 'product', 'Who operated the database, and when: the history of its structure, not of people whose data it holds.'),
('migration._yoyo_migration', 'migration_id', 'technical', 'operation', 'omit', 'keep', 'product', 'Who operated the database, and when: the history of its structure, not of people whose data it holds.'),
('migration._yoyo_migration', 'applied_at_utc', 'technical', 'operation', 'omit', 'keep', 'product', 'Who operated the database, and when: the history of its structure, not of people whose data it holds.');

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('migration._yoyo_version', 'version', 'technical', 'operation', 'omit', 'keep', 'product', 'Who operated the database, and when: the history of its structure, not of people whose data it holds.'),
('migration._yoyo_version', 'installed_at_utc', 'technical', 'operation', 'omit', 'keep', 'product', 'Who operated the database, and when: the history of its structure, not of people whose data it holds.');

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('migration.ledger', 'id', 'technical', 'operation', 'omit', 'keep', 'product', 'Who operated the database, and when: the history of its structure, not of people whose data it holds.'),
('migration.ledger', 'sha256', 'technical', 'operation', 'omit', 'keep', 'product', 'Who operated the database, and when: the history of its structure, not of people whose data it holds.'),
('migration.ledger', 'rollback_sha256', 'technical', 'operation', 'omit', 'keep', 'product', 'Who operated the database, and when: the history of its structure, not of people whose data it holds.'),
('migration.ledger', 'applied_by', 'technical', 'operation', 'omit', 'keep', 'product', 'Who operated the database, and when: the history of its structure, not of people whose data it holds.'),
('migration.ledger', 'applied_at', 'technical', 'operation', 'omit', 'keep', 'product', 'Who operated the database, and when: the history of its structure, not of people whose data it holds.'),
('migration.ledger', 'duration_ms', 'technical', 'operation', 'omit', 'keep', 'product', 'Who operated the database, and when: the history of its structure, not of people whose data it holds.'),
('migration.ledger', 'app_release', 'technical', 'operation', 'omit', 'keep', 'product', 'Who operated the database, and when: the history of its structure, not of people whose data it holds.'),
('migration.ledger', 'minimum_release', 'technical', 'operation', 'omit', 'keep', 'product', 'Who operated the database, and when: the history of its structure, not of people whose data it holds.');

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('migration.yoyo_lock', 'locked', 'technical', 'operation', 'omit', 'keep', 'product', 'Who operated the database, and when: the history of its structure, not of people whose data it holds.'),
('migration.yoyo_lock', 'ctime', 'technical', 'operation', 'omit', 'keep', 'product', 'Who operated the database, and when: the history of its structure, not of people whose data it holds.'),
('migration.yoyo_lock', 'pid', 'technical', 'operation', 'omit', 'keep', 'product', 'Who operated the database, and when: the history of its structure, not of people whose data it holds.');

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('privacy.acknowledgement', 'workspace_id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.acknowledgement', 'snapshot_id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.acknowledgement', 'link_id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.acknowledgement', 'acknowledged_at', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.acknowledgement', 'reopened_at', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.acknowledgement', 'mine', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.acknowledgement', 'setting', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.acknowledgement', 'note', 'sensitive', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.acknowledgement', 'reopen_reason', 'personal', 'service', 'include', 'delete', 'workspace', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('privacy.change', 'workspace_id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.change', 'snapshot_id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.change', 'confidence', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.change', 'setting', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.change', 'old_value', 'sensitive', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.change', 'new_value', 'sensitive', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.change', 'origin', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.change', 'significance', 'personal', 'service', 'include', 'delete', 'workspace', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('privacy.crowd_evidence', 'id', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.crowd_evidence', 'platform_id', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.crowd_evidence', 'first_seen_at', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.crowd_evidence', 'last_seen_at', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.crowd_evidence', 'created_at', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.crowd_evidence', 'people', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.crowd_evidence', 'window_hours', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.crowd_evidence', 'relabeled', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.crowd_evidence', 'structure_hash', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.crowd_evidence', 'setting', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.crowd_evidence', 'old_value', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.crowd_evidence', 'new_value', 'shared', 'service', 'omit', 'keep', 'product', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('privacy.platform', 'id', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.platform', 'created_at', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.platform', 'slug', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.platform', 'name', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.platform', 'domain', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.platform', 'website_url', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.platform', 'privacy_url', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.platform', 'frozen_at', 'shared', 'service', 'omit', 'keep', 'product', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('privacy.platform_config', 'id', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.platform_config', 'platform_id', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.platform_config', 'valid_from', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.platform_config', 'version', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.platform_config', 'url_patterns', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.platform_config', 'selectors', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.platform_config', 'requests_per_minute', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.platform_config', 'cooldown_minutes', 'shared', 'service', 'omit', 'keep', 'product', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('privacy.platform_contact', 'id', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.platform_contact', 'platform_id', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.platform_contact', 'created_at', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.platform_contact', 'verified_at', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.platform_contact', 'version', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.platform_contact', 'digest', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.platform_contact', 'regime', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.platform_contact', 'quality', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.platform_contact', 'organization', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.platform_contact', 'email', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.platform_contact', 'url', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.platform_contact', 'postal_address', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.platform_contact', 'required_elements', 'shared', 'service', 'omit', 'keep', 'product', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('privacy.platform_link', 'workspace_id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.platform_link', 'id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.platform_link', 'account_id', 'identifier', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.platform_link', 'platform_id', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.platform_link', 'latest_snapshot_id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.platform_link', 'linked_at', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.platform_link', 'unlinked_at', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.platform_link', 'seen_until', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.platform_link', 'label', 'identifier', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.platform_link', 'status', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.platform_link', 'unlink_reason', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.platform_link', 'next_scan_at', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.platform_link', 'requested_at', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.platform_link', 'awaited_until', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.platform_link', 'last_failure_at', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.platform_link', 'stopped_at', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.platform_link', 'consecutive_failures', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.platform_link', 'failed_config_version', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.platform_link', 'scan_milliseconds', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.platform_link', 'scan_minute', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.platform_link', 'weekday', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.platform_link', 'frequency', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.platform_link', 'last_failure', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.platform_link', 'failure_detail', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.platform_link', 'health', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.platform_link', 'signed_since', 'technical', 'service', 'include', 'delete', 'workspace', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('privacy.playbook', 'id', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.playbook', 'platform_id', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.playbook', 'created_at', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.playbook', 'version', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.playbook', 'digest', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.playbook', 'slug', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.playbook', 'title', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.playbook', 'summary', 'shared', 'service', 'omit', 'keep', 'product', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('privacy.playbook_step', 'playbook_id', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.playbook_step', 'number', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.playbook_step', 'text', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.playbook_step', 'setting', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.playbook_step', 'target', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.playbook_step', 'direct_link', 'shared', 'service', 'omit', 'keep', 'product', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('privacy.proposal', 'workspace_id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.proposal', 'id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.proposal', 'account_id', 'identifier', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.proposal', 'template_id', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.proposal', 'submitted_at', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.proposal', 'locale', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.proposal', 'labels', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.proposal', 'categories', 'personal', 'service', 'include', 'delete', 'workspace', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('privacy.purged_snapshot', 'workspace_id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.purged_snapshot', 'id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.purged_snapshot', 'link_id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.purged_snapshot', 'captured_at', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.purged_snapshot', 'purged_at', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.purged_snapshot', 'change_count', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.purged_snapshot', 'change_hash', 'personal', 'service', 'include', 'delete', 'workspace', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('privacy.recommendation_dismissal', 'workspace_id', 'technical', 'service', 'include', 'delete', 'workspace', 'sensitive include delete'),
('privacy.recommendation_dismissal', 'link_id', 'technical', 'service', 'include', 'delete', 'workspace', 'sensitive include delete'),
('privacy.recommendation_dismissal', 'dismissed_at', 'technical', 'service', 'include', 'delete', 'workspace', 'sensitive include delete'),
('privacy.recommendation_dismissal', 'setting', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.recommendation_dismissal', 'value', 'sensitive', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.recommendation_dismissal', 'recommended', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.recommendation_dismissal', 'reason', 'technical', 'service', 'include', 'delete', 'workspace', 'sensitive include delete');

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('privacy.retention', 'workspace_id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.retention', 'keep', 'personal', 'service', 'include', 'delete', 'workspace', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('privacy.rights_request', 'workspace_id', 'technical', 'service', 'include', 'delete', 'workspace', 'personal include delete'),
('privacy.rights_request', 'id', 'technical', 'service', 'include', 'delete', 'workspace', 'personal include delete'),
('privacy.rights_request', 'account_id', 'identifier', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.rights_request', 'platform_id', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.rights_request', 'contact_id', 'technical', 'service', 'include', 'delete', 'workspace', 'personal include delete'),
('privacy.rights_request', 'opened_at', 'technical', 'service', 'include', 'delete', 'workspace', 'personal include delete'),
('privacy.rights_request', 'expected_by', 'technical', 'service', 'include', 'delete', 'workspace', 'personal include delete'),
('privacy.rights_request', 'closed_at', 'technical', 'service', 'include', 'delete', 'workspace', 'personal include delete'),
('privacy.rights_request', 'version', 'technical', 'service', 'include', 'delete', 'workspace', 'personal include delete'),
('privacy.rights_request', 'extended', 'technical', 'service', 'include', 'delete', 'workspace', 'personal include delete'),
('privacy.rights_request', 'action', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.rights_request', 'regime', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.rights_request', 'status', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.rights_request', 'previous_status', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.rights_request', 'reason', 'technical', 'service', 'include', 'delete', 'workspace', 'personal include delete'),
('privacy.rights_request', 'details', 'sensitive', 'service', 'include', 'delete', 'workspace', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('privacy.rights_request_event', 'workspace_id', 'technical', 'service', 'include', 'delete', 'workspace', 'personal include delete'),
('privacy.rights_request_event', 'id', 'technical', 'service', 'include', 'delete', 'workspace', 'personal include delete'),
('privacy.rights_request_event', 'request_id', 'technical', 'service', 'include', 'delete', 'workspace', 'personal include delete'),
('privacy.rights_request_event', 'account_id', 'identifier', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.rights_request_event', 'occurred_at', 'technical', 'service', 'include', 'delete', 'workspace', 'personal include delete'),
('privacy.rights_request_event', 'expected_by', 'technical', 'service', 'include', 'delete', 'workspace', 'personal include delete'),
('privacy.rights_request_event', 'version', 'technical', 'service', 'include', 'delete', 'workspace', 'personal include delete'),
('privacy.rights_request_event', 'status', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.rights_request_event', 'reason', 'technical', 'service', 'include', 'delete', 'workspace', 'personal include delete'),
('privacy.rights_request_event', 'note', 'sensitive', 'service', 'include', 'delete', 'workspace', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('privacy.scan_pace', 'platform_id', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.scan_pace', 'minute', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.scan_pace', 'requested', 'shared', 'service', 'omit', 'keep', 'product', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('privacy.setting_advice', 'template_id', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.setting_advice', 'risk', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.setting_advice', 'key', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.setting_advice', 'source', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.setting_advice', 'recommended', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.setting_advice', 'category', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.setting_advice', 'direct_link', 'shared', 'service', 'omit', 'keep', 'product', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('privacy.setting_label', 'template_id', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.setting_label', 'key', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.setting_label', 'locale', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.setting_label', 'source', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.setting_label', 'label', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.setting_label', 'description', 'shared', 'service', 'omit', 'keep', 'product', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('privacy.snapshot', 'workspace_id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.snapshot', 'id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.snapshot', 'link_id', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.snapshot', 'template_id', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.snapshot', 'captured_at', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.snapshot', 'confidence', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.snapshot', 'config_version', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.snapshot', 'risk_score', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.snapshot', 'risk_formula', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.snapshot', 'scan_method', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.snapshot', 'packed', 'sensitive', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.snapshot', 'observed', 'sensitive', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.snapshot', 'previous_seen_until', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('privacy.snapshot', 'device_id', 'technical', 'service', 'include', 'delete', 'workspace', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('privacy.template', 'id', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template', 'platform_id', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template', 'created_at', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template', 'activated_at', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template', 'version', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template', 'setting_count', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template', 'structure_hash', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template', 'state', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template', 'summary', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template', 'shared_at', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template', 'file_version', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template', 'rejection_reason', 'shared', 'service', 'omit', 'keep', 'product', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('privacy.template_analysis', 'id', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template_analysis', 'template_id', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template_analysis', 'reviewer_id', 'identifier', 'service', 'include', 'anonymize', 'product', NULL),
('privacy.template_analysis', 'created_at', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template_analysis', 'reviewed_at', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template_analysis', 'auto_approve_at', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template_analysis', 'duration_ms', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template_analysis', 'input_tokens', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template_analysis', 'output_tokens', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template_analysis', 'cost_micros', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template_analysis', 'prompt_version', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template_analysis', 'attempts', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template_analysis', 'risk_score', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template_analysis', 'input_hash', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template_analysis', 'model', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template_analysis', 'state', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template_analysis', 'failure', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template_analysis', 'currency', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template_analysis', 'review_reason', 'personal', 'service', 'omit', 'keep', 'product', 'What a curator wrote about a template, in their office; nobody is named once reviewer_id is gone.'),
('privacy.template_analysis', 'summary', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template_analysis', 'recommendations', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template_analysis', 'categories', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template_analysis', 'settings', 'shared', 'service', 'omit', 'keep', 'product', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('privacy.template_copy', 'template_id', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template_copy', 'content', 'shared', 'service', 'omit', 'keep', 'product', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('privacy.template_setting', 'template_id', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template_setting', 'position', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template_setting', 'risk', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template_setting', 'key', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template_setting', 'type', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template_setting', 'category', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template_setting', 'label', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template_setting', 'description', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template_setting', 'options', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template_setting', 'default_value', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template_setting', 'recommended', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template_setting', 'direct_link', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template_setting', 'default_known', 'shared', 'service', 'omit', 'keep', 'product', NULL);

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('privacy.template_usage', 'template_id', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template_usage', 'measured_at', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template_usage', 'last_used_at', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template_usage', 'snapshots', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template_usage', 'people', 'shared', 'service', 'omit', 'keep', 'product', NULL),
('privacy.template_usage', 'snapshot_bytes', 'shared', 'service', 'omit', 'keep', 'product', NULL);
