-- Why:      who is attacked learns of it: refused sign-ins, new devices and keys, tokens used twice, exports in a row.
-- Change:   core.security_alert, core.security_watch and their functions; an index on the audit.
-- Locks:    SHARE on core.audit_event while its partial index is built, which reads it once; SHARE ROW EXCLUSIVE on core.workspace while the foreign key is added.
-- Data:     one row of core.security_watch, and those of the inventory.
-- Old code: does not know how notifications of kind 6 read: roll back before going back.
-- Rollback: drops every alert.
-- depends: 20261122_72_pre_core_create_webhook_delivery 20261122_58_pre_core_tell_of_exports

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE core.security_alert (
    workspace_id uuid        NOT NULL CONSTRAINT security_alert_workspace_id_fkey REFERENCES core.workspace (id),
    id           uuid        NOT NULL DEFAULT uuidv7(),
    object_id    uuid        NOT NULL,
    event_at     timestamptz NOT NULL,
    kind         text        NOT NULL CONSTRAINT security_alert_kind_known CHECK (
        kind IN (
            'SIGN_INS_REFUSED', 'NEW_CLIENT', 'TOKEN_REUSED', 'MASS_EXPORT', 'MASS_READ', 'NEW_DEVICE', 'NEW_API_KEY', 'NEW_WEBHOOK',
            'PASSWORD_CHANGED', 'EMAIL_CHANGED', 'OWNER_ADDED', 'WEBHOOK_DISABLED'
        )
    ),
    key          text        NOT NULL CONSTRAINT security_alert_key_length CHECK (length(key) BETWEEN 1 AND 200),
    detail       jsonb       NOT NULL CONSTRAINT security_alert_detail_form CHECK (jsonb_typeof(detail) = 'object'),
    CONSTRAINT security_alert_pkey PRIMARY KEY (workspace_id, id),
    CONSTRAINT security_alert_key_key UNIQUE (workspace_id, key)
);

COMMENT ON TABLE core.security_alert IS 'owned. Something that an attacker would do, told to whom it concerns; kept for 90 days.';
COMMENT ON COLUMN core.security_alert.key IS 'What happens often in a while is one alert: it has the same key.';
COMMENT ON COLUMN core.security_alert.detail IS 'What the words need: client, address, a count.';

ALTER TABLE core.security_alert ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.security_alert FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON core.security_alert TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
-- The worker drops what is past its 90 days.
CREATE POLICY worker_old ON core.security_alert TO fivefold_worker
USING (
    (SELECT core.current_workspace_id()) = (SELECT core.system_workspace_id())
    AND event_at < now() - interval '90 days'
);
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON core.security_alert TO fivefold_owner USING (true) WITH CHECK (true);
GRANT SELECT ON core.security_alert TO fivefold_api;
GRANT SELECT, DELETE ON core.security_alert TO fivefold_worker;

CREATE TABLE core.security_watch (
    id            boolean     NOT NULL DEFAULT true CONSTRAINT security_watch_is_one CHECK (id),
    watched_until timestamptz NOT NULL,
    CONSTRAINT security_watch_pkey PRIMARY KEY (id)
);
COMMENT ON TABLE core.security_watch IS 'system. Up to when the audit was looked through for what an attacker would do: one row.';
ALTER TABLE core.security_watch ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.security_watch FORCE ROW LEVEL SECURITY;
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON core.security_watch TO fivefold_owner USING (true) WITH CHECK (true);
INSERT INTO core.security_watch (watched_until) VALUES (now());

-- allow require-concurrent-index-creation: a partitioned table has no other way; it holds few of the rows.
CREATE INDEX audit_event_watched_idx ON core.audit_event (id)
WHERE action NOT IN ('INSERT', 'UPDATE', 'DELETE')
    OR object IN ('core.account', 'core.api_key', 'core.credential', 'core.device', 'core.member', 'core.webhook');

-- Where the last look ended; the next begins there. Two workers take turns.
CREATE FUNCTION core.take_security_watch() RETURNS timestamptz
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    UPDATE core.security_watch AS w
    SET watched_until = clock_timestamp()
    RETURNING old.watched_until;
END;

-- What the rules judge, over all workspaces: of what is counted the newest with how often it happened lately, all else one
-- by one. A client is the same with another version.
CREATE FUNCTION core.list_watched(since timestamptz, refused_window interval)
RETURNS TABLE (
    workspace_id uuid, event_id uuid, account_id uuid, object_id uuid, event_at timestamptz, action text, object text,
    detail jsonb, recent bigint, client_known boolean, signed_in_before boolean
)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    WITH fresh AS (
        SELECT DISTINCT ON (
            e.workspace_id, e.action, e.object,
            CASE WHEN e.action = 'SIGN_IN_REFUSED' THEN e.object_id WHEN e.action IN ('READ', 'EXPORT') THEN e.actor_id ELSE e.id END
        )
            coalesce(own.id, e.workspace_id) AS told_workspace_id, e.workspace_id, e.id, e.actor_id, e.object_id, e.action, e.object,
            uuid_extract_timestamp(e.id) AS event_at, coalesce(d.detail, '{}') AS detail
        FROM core.audit_event AS e
        LEFT JOIN core.audit_detail AS d ON d.workspace_id = e.workspace_id AND d.event_id = e.id
        LEFT JOIN core.workspace AS own
            ON e.workspace_id = core.system_workspace_id()
            AND e.object IN ('core.account', 'core.credential')
            AND own.personal_account_id = e.object_id
        WHERE e.id >= core.uuidv7_floor(list_watched.since)
            AND (
                e.action NOT IN ('INSERT', 'UPDATE', 'DELETE')
                OR e.object IN ('core.account', 'core.api_key', 'core.credential', 'core.device', 'core.member', 'core.webhook')
            )
        ORDER BY
            e.workspace_id, e.action, e.object,
            CASE WHEN e.action = 'SIGN_IN_REFUSED' THEN e.object_id WHEN e.action IN ('READ', 'EXPORT') THEN e.actor_id ELSE e.id END,
            e.id DESC
    )
    SELECT
        f.told_workspace_id, f.id, coalesce(f.actor_id, f.object_id), f.object_id, f.event_at, f.action, f.object, f.detail,
        CASE WHEN f.action IN ('SIGN_IN_REFUSED', 'EXPORT', 'READ') THEN (
            SELECT count(*)
            FROM core.audit_event AS r
            WHERE r.workspace_id = f.workspace_id
                AND r.action = f.action
                AND r.id <= f.id
                AND r.id >= core.uuidv7_floor(f.event_at - CASE f.action
                    WHEN 'SIGN_IN_REFUSED' THEN list_watched.refused_window WHEN 'EXPORT' THEN interval '1 day' ELSE interval '1 hour' END)
                AND CASE WHEN f.action = 'SIGN_IN_REFUSED' THEN r.object_id = f.object_id
                    ELSE r.actor_id IS NOT DISTINCT FROM f.actor_id END
        ) ELSE 1 END,
        f.action = 'SIGN_IN' AND EXISTS (
            SELECT
            FROM core.audit_event AS p
            JOIN core.audit_detail AS pd ON pd.workspace_id = p.workspace_id AND pd.event_id = p.id
            WHERE p.workspace_id = f.workspace_id
                AND p.action = 'SIGN_IN'
                AND p.object_id = f.object_id
                AND p.id < f.id
                AND p.id >= core.uuidv7_floor(f.event_at - interval '90 days')
                AND regexp_replace(coalesce(pd.detail ->> 'client', ''), '[0-9._]+', '', 'g')
                = regexp_replace(coalesce(f.detail ->> 'client', ''), '[0-9._]+', '', 'g')
        ),
        f.action = 'SIGN_IN' AND EXISTS (
            SELECT
            FROM core.audit_event AS p
            WHERE p.workspace_id = f.workspace_id
                AND p.action = 'SIGN_IN'
                AND p.object_id = f.object_id
                AND p.id < f.id
                AND p.id >= core.uuidv7_floor(f.event_at - interval '90 days')
        )
    FROM fresh AS f
    WHERE f.told_workspace_id <> core.system_workspace_id();
END;

-- Each alert once by its key: kept, told to owners and admins and to the account that it is about, and published. What is
-- told so cannot be muted. How many were new.
CREATE FUNCTION core.raise_security_alerts(alerts jsonb) RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    WITH given AS (
        SELECT DISTINCT ON (a.workspace_id, a.key) a.workspace_id, a.account_id, a.object_id, a.event_at, a.kind, a.key, a.detail
        FROM jsonb_to_recordset(raise_security_alerts.alerts) AS a (
            workspace_id uuid, account_id uuid, object_id uuid, event_at timestamptz, kind text, key text, detail jsonb
        )
        JOIN core.workspace AS w ON w.id = a.workspace_id
        ORDER BY a.workspace_id, a.key
    ),
    raised AS (
        INSERT INTO core.security_alert (workspace_id, object_id, event_at, kind, key, detail)
        SELECT g.workspace_id, g.object_id, g.event_at, g.kind, g.key, g.detail
        FROM given AS g
        ON CONFLICT (workspace_id, key) DO NOTHING
        RETURNING workspace_id, id, kind, key
    ),
    told AS (
        INSERT INTO core.notification (workspace_id, account_id, object_id, send_at, kind)
        SELECT r.workspace_id, m.account_id, r.id, now(), 6
        FROM raised AS r
        JOIN given AS g ON g.workspace_id = r.workspace_id AND g.key = r.key
        JOIN core.member AS m ON m.workspace_id = r.workspace_id AND (m.role IN ('owner', 'admin') OR m.account_id = g.account_id)
    ),
    published AS (
        INSERT INTO core.outbox (workspace_id, object_id, kind, detail)
        SELECT r.workspace_id, r.id, 'core.security_alert', jsonb_build_object('alert', r.kind)
        FROM raised AS r
    )
    SELECT count(*) FROM raised;
END;

REVOKE ALL ON FUNCTION
core.take_security_watch(), core.list_watched(timestamptz, interval), core.raise_security_alerts(jsonb)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
core.take_security_watch(), core.list_watched(timestamptz, interval), core.raise_security_alerts(jsonb)
TO fivefold_worker;

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.security_alert', 'workspace_id', 'technical', 'security', 'omit', 'delete', '90 days', NULL),
('core.security_alert', 'id', 'technical', 'security', 'omit', 'delete', '90 days', NULL),
('core.security_alert', 'object_id', 'personal', 'security', 'include', 'delete', '90 days', NULL),
('core.security_alert', 'event_at', 'personal', 'security', 'include', 'delete', '90 days', NULL),
('core.security_alert', 'kind', 'personal', 'security', 'include', 'delete', '90 days', NULL),
('core.security_alert', 'key', 'technical', 'security', 'omit', 'delete', '90 days', NULL),
('core.security_alert', 'detail', 'personal', 'security', 'include', 'delete', '90 days', NULL),
('core.security_watch', 'id', 'shared', 'operation', 'omit', 'keep', 'for ever', NULL),
('core.security_watch', 'watched_until', 'shared', 'operation', 'omit', 'keep', 'for ever', NULL);
