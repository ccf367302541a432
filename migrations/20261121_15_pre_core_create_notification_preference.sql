-- Why:      people say what they want to be told, how, and when not.
-- Change:   core.notification_preference.
-- Locks:    SHARE ROW EXCLUSIVE on core.member while the foreign key is added.
-- Data:     no rows are written.
-- Old code: nothing reads it yet.
-- Rollback: drops what people chose: all is as by default again.
-- depends: 20261120_05_pre_core_create_member

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow prefer-bigint-over-int: a week such as 202647, and one bit for each of a handful of kinds.
-- allow prefer-bigint-over-smallint: minutes of a day.
CREATE TABLE core.notification_preference (
    workspace_id         uuid     NOT NULL,
    account_id           uuid     NOT NULL,
    digest_week          integer  NOT NULL DEFAULT 0,
    in_app_off           integer  NOT NULL DEFAULT 0,
    email_off            integer  NOT NULL DEFAULT 0,
    quiet_from           smallint CONSTRAINT notification_preference_quiet_from_range CHECK (quiet_from BETWEEN 0 AND 1439),
    quiet_until          smallint CONSTRAINT notification_preference_quiet_until_range CHECK (quiet_until BETWEEN 0 AND 1439),
    weekly_digest        boolean  NOT NULL DEFAULT false,
    minimum_significance text     NOT NULL DEFAULT 'WORDING' CONSTRAINT notification_preference_minimum_significance_known
        CHECK (minimum_significance IN ('NOISE', 'WORDING', 'VALUE', 'DEFAULT_FLIP', 'NEW_SETTING', 'REMOVED_SETTING')),
    CONSTRAINT notification_preference_pkey PRIMARY KEY (workspace_id, account_id),
    CONSTRAINT notification_preference_member_fkey FOREIGN KEY (workspace_id, account_id)
        REFERENCES core.member (workspace_id, account_id) ON DELETE CASCADE,
    CONSTRAINT notification_preference_quiet_is_a_window
        CHECK ((quiet_from IS NULL) = (quiet_until IS NULL) AND quiet_from <> quiet_until)
);

-- Serves the hourly look for people whose digest is due.
CREATE INDEX notification_preference_digest_week_idx ON core.notification_preference (digest_week) WHERE weekly_digest;

COMMENT ON TABLE core.notification_preference IS 'owned. What a member wants to be told; no row means all as by default.';
COMMENT ON COLUMN core.notification_preference.digest_week IS 'ISO year and week of the last digest, such as 202647. It only grows: one digest a week, however often it is asked.';
COMMENT ON COLUMN core.notification_preference.in_app_off IS 'Bit n is set when notifications of kind n are not shown.';
COMMENT ON COLUMN core.notification_preference.email_off IS 'Bit n is set when notifications of kind n are not mailed.';
COMMENT ON COLUMN core.notification_preference.quiet_from IS 'Minute of the day, on the clock of the account''s time zone, from which no mail is sent.';
COMMENT ON COLUMN core.notification_preference.quiet_until IS 'Minute of the day from which mail is sent again; the window may lie over midnight.';

ALTER TABLE core.notification_preference ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.notification_preference FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON core.notification_preference TO fivefold_api, fivefold_worker
USING (workspace_id = (SELECT core.current_workspace_id()));
-- Digests, and what is told to many at once, cross workspaces: as the system the worker reads what each person wants.
CREATE POLICY worker_all ON core.notification_preference FOR SELECT TO fivefold_worker
USING ((SELECT core.current_workspace_id()) = (SELECT core.system_workspace_id()));
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON core.notification_preference TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT, INSERT ON core.notification_preference TO fivefold_api;
GRANT UPDATE (digest_week, in_app_off, email_off, quiet_from, quiet_until, weekly_digest, minimum_significance)
ON core.notification_preference TO fivefold_api;
GRANT SELECT ON core.notification_preference TO fivefold_worker;
GRANT UPDATE (digest_week) ON core.notification_preference TO fivefold_worker;

-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_insert AFTER INSERT ON core.notification_preference REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit(
    'workspace_id', 'account_id', 'account_id,in_app_off,email_off,quiet_from,quiet_until,weekly_digest,minimum_significance');
CREATE TRIGGER audit_update AFTER UPDATE ON core.notification_preference REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit(
    'workspace_id', 'account_id', 'account_id,in_app_off,email_off,quiet_from,quiet_until,weekly_digest,minimum_significance');
CREATE TRIGGER audit_delete AFTER DELETE ON core.notification_preference REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit(
    'workspace_id', 'account_id', 'account_id,in_app_off,email_off,quiet_from,quiet_until,weekly_digest,minimum_significance');
ALTER TABLE core.notification_preference ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE core.notification_preference ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE core.notification_preference ENABLE ALWAYS TRIGGER audit_delete;
