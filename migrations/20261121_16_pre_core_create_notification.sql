-- Why:      people are told what happened, where they look and by mail.
-- Change:   core.notification.
-- Locks:    SHARE ROW EXCLUSIVE on core.member while the foreign key is added.
-- Data:     no rows are written.
-- Old code: nothing reads it yet.
-- Rollback: drops what people were told, and what waits to be mailed.
-- depends: 20261121_15_pre_core_create_notification_preference

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow prefer-bigint-over-smallint: one of a handful of kinds; and each byte is paid for every alert.
CREATE TABLE core.notification (
    workspace_id uuid        NOT NULL,
    account_id   uuid        NOT NULL,
    id           uuid        NOT NULL DEFAULT uuidv7(),
    object_id    uuid,
    send_at      timestamptz,
    sent_at      timestamptz,
    read_at      timestamptz,
    kind         smallint    NOT NULL CONSTRAINT notification_kind_known CHECK (kind BETWEEN 1 AND 4),
    detail       jsonb       CONSTRAINT notification_detail_form CHECK (jsonb_typeof(detail) = 'object'),
    CONSTRAINT notification_pkey PRIMARY KEY (workspace_id, account_id, id),
    CONSTRAINT notification_member_fkey FOREIGN KEY (workspace_id, account_id)
        REFERENCES core.member (workspace_id, account_id) ON DELETE CASCADE
);

-- Serves the look for mail that is due; empty when all is sent.
CREATE INDEX notification_send_at_idx ON core.notification (send_at) WHERE send_at IS NOT NULL;

COMMENT ON TABLE core.notification IS 'owned. What a member is told; kept for 90 days. Title and body are made when it is read.';
COMMENT ON COLUMN core.notification.object_id IS 'What it is about, by the kind: a snapshot, a template, a link; NULL for a digest.';
COMMENT ON COLUMN core.notification.send_at IS 'From when it waits to be mailed; NULL once a mail holds it, and where none is wanted.';
COMMENT ON COLUMN core.notification.sent_at IS 'When the mail that holds it was handed over.';
COMMENT ON COLUMN core.notification.kind IS '1 privacy change, 2 template change, 3 link failing, 4 weekly digest.';

ALTER TABLE core.notification ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.notification FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON core.notification TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
-- What one member is told is nothing to the others; only who tells it writes for somebody else.
CREATE POLICY own_select ON core.notification AS RESTRICTIVE FOR SELECT TO fivefold_api
USING (account_id = (SELECT core.current_account_id()));
CREATE POLICY own_update ON core.notification AS RESTRICTIVE FOR UPDATE TO fivefold_api
USING (account_id = (SELECT core.current_account_id()));
-- As the system the worker finds who waits for mail, tells many at once, and drops what is past its 90 days.
CREATE POLICY worker_due ON core.notification FOR SELECT TO fivefold_worker
USING ((SELECT core.current_workspace_id()) = (SELECT core.system_workspace_id()) AND send_at IS NOT NULL);
CREATE POLICY worker_many ON core.notification FOR INSERT TO fivefold_worker
WITH CHECK ((SELECT core.current_workspace_id()) = (SELECT core.system_workspace_id()));
CREATE POLICY worker_old ON core.notification TO fivefold_worker
USING (
    (SELECT core.current_workspace_id()) = (SELECT core.system_workspace_id())
    AND uuid_extract_timestamp(id) < now() - interval '90 days'
);
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON core.notification TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT, INSERT ON core.notification TO fivefold_api;
GRANT UPDATE (read_at, send_at) ON core.notification TO fivefold_api;
GRANT SELECT, INSERT, DELETE ON core.notification TO fivefold_worker;
GRANT UPDATE (send_at, sent_at) ON core.notification TO fivefold_worker;
