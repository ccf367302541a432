-- Why:      people ask platforms for their data, or that it be deleted or not sold, and want to know when an answer is due.
-- Change:   privacy.rights_request and its history, privacy.rights_request_event.
-- Locks:    SHARE ROW EXCLUSIVE on core.member, privacy.platform and privacy.platform_contact while the foreign keys are added.
-- Data:     no rows are written.
-- Old code: nothing reads it yet.
-- Rollback: drops every request with its history.
-- depends: 20261120_05_pre_core_create_member 20261121_60_pre_privacy_create_platform_contact

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow prefer-bigint-over-int: version counts the changes of one request.
CREATE TABLE privacy.rights_request (
    workspace_id    uuid        NOT NULL,
    id              uuid        NOT NULL DEFAULT uuidv7(),
    account_id      uuid        NOT NULL,
    platform_id     uuid        NOT NULL CONSTRAINT rights_request_platform_id_fkey REFERENCES privacy.platform (id),
    contact_id      uuid        CONSTRAINT rights_request_contact_id_fkey REFERENCES privacy.platform_contact (id),
    opened_at       timestamptz NOT NULL,
    expected_by     timestamptz NOT NULL,
    closed_at       timestamptz,
    version         integer     NOT NULL,
    extended        boolean     NOT NULL DEFAULT false,
    action          text        NOT NULL CONSTRAINT rights_request_action_known
        CHECK (action IN ('ACCESS', 'DELETION', 'CORRECTION', 'PORTABILITY', 'SALE_OPT_OUT', 'SALE_OPT_IN')),
    regime          text        NOT NULL CONSTRAINT rights_request_regime_known CHECK (regime IN ('GDPR', 'CCPA')),
    status          text        NOT NULL CONSTRAINT rights_request_status_known
        CHECK (status IN ('OPEN', 'IN_PROGRESS', 'FULFILLED', 'DENIED', 'REVOKED', 'EXPIRED')),
    previous_status text,
    reason          text        CONSTRAINT rights_request_reason_known CHECK (reason IN (
        'NEED_USER_VERIFICATION', 'SUSPECTED_FRAUD', 'INSUF_VERIFICATION', 'NO_MATCH', 'CLAIM_NOT_COVERED', 'OUTSIDE_JURISDICTION',
        'TOO_MANY_REQUESTS', 'OTHER')),
    details         text        CONSTRAINT rights_request_details_length CHECK (length(details) BETWEEN 1 AND 2000),
    CONSTRAINT rights_request_pkey PRIMARY KEY (workspace_id, id),
    CONSTRAINT rights_request_member_fkey FOREIGN KEY (workspace_id, account_id) REFERENCES core.member (workspace_id, account_id),
    -- What follows what: a request begins open, and what has ended stays as it is.
    CONSTRAINT rights_request_transition_allowed CHECK (
        CASE
            WHEN previous_status IS NULL THEN status = 'OPEN'
            ELSE previous_status IN ('OPEN', 'IN_PROGRESS') AND status <> 'OPEN'
        END),
    CONSTRAINT rights_request_reason_fits_status CHECK (
        CASE
            WHEN status = 'IN_PROGRESS' THEN reason IS NULL OR reason = 'NEED_USER_VERIFICATION'
            WHEN status = 'DENIED' THEN reason IS NOT NULL AND reason <> 'NEED_USER_VERIFICATION'
            ELSE reason IS NULL
        END),
    CONSTRAINT rights_request_action_fits_regime CHECK (
        CASE
            WHEN action IN ('SALE_OPT_OUT', 'SALE_OPT_IN') THEN regime = 'CCPA'
            WHEN action = 'PORTABILITY' THEN regime = 'GDPR'
            ELSE true
        END),
    CONSTRAINT rights_request_extension_fits_action CHECK (NOT extended OR action NOT IN ('SALE_OPT_OUT', 'SALE_OPT_IN')),
    CONSTRAINT rights_request_closed_has_time CHECK ((status IN ('OPEN', 'IN_PROGRESS')) = (closed_at IS NULL)),
    CONSTRAINT rights_request_expired_is_overdue CHECK (status <> 'EXPIRED' OR closed_at >= expected_by),
    CONSTRAINT rights_request_answer_takes_time CHECK (expected_by > opened_at)
);

-- Serves the foreign keys, and the look for what is overdue.
CREATE INDEX rights_request_workspace_id_account_id_idx ON privacy.rights_request (workspace_id, account_id);
CREATE INDEX rights_request_platform_id_idx ON privacy.rights_request (platform_id);
CREATE INDEX rights_request_contact_id_idx ON privacy.rights_request (contact_id);
CREATE INDEX rights_request_expected_by_idx ON privacy.rights_request (expected_by) WHERE status IN ('OPEN', 'IN_PROGRESS');

COMMENT ON TABLE privacy.rights_request IS 'owned. What a person asked of a platform; states and reasons are those of the Data Rights Protocol.';
COMMENT ON COLUMN privacy.rights_request.contact_id IS 'Whom it was written to: the version of the contact that was the newest then; NULL where none was known.';
COMMENT ON COLUMN privacy.rights_request.expected_by IS 'The moment at which the last day for an answer is over, on the clock of the person.';
COMMENT ON COLUMN privacy.rights_request.version IS 'Counts changes from 1: who changes it must have seen the last.';
COMMENT ON COLUMN privacy.rights_request.previous_status IS 'The status before the last change, written by the trigger, so that a constraint can tell what may follow what.';

-- What a statement cannot do: forget what was before, count as it likes, or move a deadline without an extension.
CREATE FUNCTION privacy.step_rights_request() RETURNS trigger
LANGUAGE plpgsql
SET search_path = ''
AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.previous_status := NULL;
        NEW.version := 1;
        RETURN NEW;
    END IF;
    IF (OLD.extended AND NOT NEW.extended) OR (NEW.expected_by <> OLD.expected_by AND (OLD.extended OR NOT NEW.extended)) THEN
        RAISE EXCEPTION 'a deadline moves once, by an extension' USING ERRCODE = 'insufficient_privilege';
    END IF;
    NEW.previous_status := OLD.status;
    NEW.version := OLD.version + 1;
    RETURN NEW;
END
$$;

REVOKE ALL ON FUNCTION privacy.step_rights_request() FROM PUBLIC;

CREATE TRIGGER step BEFORE INSERT OR UPDATE ON privacy.rights_request
FOR EACH ROW EXECUTE FUNCTION privacy.step_rights_request();
ALTER TABLE privacy.rights_request ENABLE ALWAYS TRIGGER step;

-- allow prefer-bigint-over-int: as above.
CREATE TABLE privacy.rights_request_event (
    workspace_id uuid        NOT NULL,
    id           uuid        NOT NULL DEFAULT uuidv7(),
    request_id   uuid        NOT NULL,
    account_id   uuid        NOT NULL,
    occurred_at  timestamptz NOT NULL DEFAULT now(),
    expected_by  timestamptz NOT NULL,
    version      integer     NOT NULL,
    status       text        NOT NULL CONSTRAINT rights_request_event_status_known
        CHECK (status IN ('OPEN', 'IN_PROGRESS', 'FULFILLED', 'DENIED', 'REVOKED', 'EXPIRED')),
    reason       text        CONSTRAINT rights_request_event_reason_known CHECK (reason IN (
        'NEED_USER_VERIFICATION', 'SUSPECTED_FRAUD', 'INSUF_VERIFICATION', 'NO_MATCH', 'CLAIM_NOT_COVERED', 'OUTSIDE_JURISDICTION',
        'TOO_MANY_REQUESTS', 'OTHER')),
    note         text        CONSTRAINT rights_request_event_note_length CHECK (length(note) BETWEEN 1 AND 2000),
    CONSTRAINT rights_request_event_pkey PRIMARY KEY (workspace_id, id),
    CONSTRAINT rights_request_event_request_fkey FOREIGN KEY (workspace_id, request_id)
        REFERENCES privacy.rights_request (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT rights_request_event_version_key UNIQUE (workspace_id, request_id, version)
);

COMMENT ON TABLE privacy.rights_request_event IS 'owned. The history of a request: one row for each version of it, append-only.';
COMMENT ON COLUMN privacy.rights_request_event.account_id IS 'Whose request it is.';

ALTER TABLE privacy.rights_request ENABLE ROW LEVEL SECURITY;
ALTER TABLE privacy.rights_request FORCE ROW LEVEL SECURITY;
ALTER TABLE privacy.rights_request_event ENABLE ROW LEVEL SECURITY;
ALTER TABLE privacy.rights_request_event FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON privacy.rights_request TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
CREATE POLICY tenant ON privacy.rights_request_event TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
-- In an organization, too, it is the member's own affair.
CREATE POLICY person ON privacy.rights_request AS RESTRICTIVE TO fivefold_api
USING (account_id = (SELECT core.current_account_id()));
CREATE POLICY person ON privacy.rights_request_event AS RESTRICTIVE TO fivefold_api
USING (account_id = (SELECT core.current_account_id()));
-- As the system the worker finds what is overdue, and nothing else.
CREATE POLICY worker_all ON privacy.rights_request FOR SELECT TO fivefold_worker
USING (
    (SELECT core.current_workspace_id()) = (SELECT core.system_workspace_id())
    AND status IN ('OPEN', 'IN_PROGRESS') AND expected_by <= now()
);
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON privacy.rights_request TO fivefold_owner USING (true) WITH CHECK (true);
-- allow always-true-policy: as above.
CREATE POLICY owner ON privacy.rights_request_event TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT, INSERT ON privacy.rights_request, privacy.rights_request_event TO fivefold_api;
GRANT UPDATE (status, reason, closed_at, expected_by, extended) ON privacy.rights_request TO fivefold_api;
GRANT SELECT ON privacy.rights_request TO fivefold_worker;
GRANT UPDATE (status, reason, closed_at) ON privacy.rights_request TO fivefold_worker;
GRANT SELECT, INSERT ON privacy.rights_request_event TO fivefold_worker;

-- No DELETE is granted; a person who is forgotten takes the history along.
CREATE TRIGGER append_only BEFORE UPDATE ON privacy.rights_request_event
FOR EACH ROW EXECUTE FUNCTION core.refuse_change();
ALTER TABLE privacy.rights_request_event ENABLE ALWAYS TRIGGER append_only;

-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_insert AFTER INSERT ON privacy.rights_request REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,platform_id,action,regime,status,opened_at,expected_by,version');
CREATE TRIGGER audit_update AFTER UPDATE ON privacy.rights_request REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,status,reason,expected_by,version');
CREATE TRIGGER audit_delete AFTER DELETE ON privacy.rights_request REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,platform_id,action,regime,status,version');
CREATE TRIGGER audit_delete AFTER DELETE ON privacy.rights_request_event REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('workspace_id', 'id', 'id,request_id,status,version');
ALTER TABLE privacy.rights_request ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE privacy.rights_request ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE privacy.rights_request ENABLE ALWAYS TRIGGER audit_delete;
ALTER TABLE privacy.rights_request_event ENABLE ALWAYS TRIGGER audit_delete;
