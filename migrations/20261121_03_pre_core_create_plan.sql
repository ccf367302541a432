-- Why:      what a workspace may use is data: plans, and what each limits.
-- Change:   core.plan, core.plan_limit, core.workspace.plan; core.assign_plan() for curators.
-- Locks:    ACCESS EXCLUSIVE on core.workspace while the column, its foreign key and the triggers are added: a table with one row an account.
-- Data:     four plans with their limits; every workspace gets the plan free.
-- Old code: goes on; it does not look at plans.
-- Rollback: drops the plans and who has which.
-- depends: 20261120_04_pre_core_create_workspace 20261120_08_pre_core_create_curator

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow prefer-bigint-over-smallint: position orders a handful of plans.
CREATE TABLE core.plan (
    id       uuid     NOT NULL DEFAULT uuidv7() CONSTRAINT plan_pkey PRIMARY KEY,
    position smallint NOT NULL,
    slug     text     NOT NULL CONSTRAINT plan_slug_key UNIQUE CONSTRAINT plan_slug_form CHECK (slug ~ '^[a-z][a-z0-9-]{0,39}$'),
    name     text     NOT NULL CONSTRAINT plan_name_length CHECK (length(name) BETWEEN 1 AND 100)
);

COMMENT ON TABLE core.plan IS 'shared. What a workspace can have, from the least to the most.';

CREATE TABLE core.plan_limit (
    plan_id uuid   NOT NULL CONSTRAINT plan_limit_plan_id_fkey REFERENCES core.plan (id),
    amount  bigint CONSTRAINT plan_limit_amount_range CHECK (amount >= 0),
    name    text   NOT NULL CONSTRAINT plan_limit_name_form CHECK (name ~ '^[a-z]+\.[a-z_]{1,60}$'),
    CONSTRAINT plan_limit_pkey PRIMARY KEY (plan_id, name)
);

COMMENT ON TABLE core.plan_limit IS 'shared. How much of something a plan allows; what is not listed is not limited.';
COMMENT ON COLUMN core.plan_limit.amount IS 'NULL is without limit, 0 is not at all.';
COMMENT ON COLUMN core.plan_limit.name IS 'Product and what is counted, such as privacy.platform_links.';

ALTER TABLE core.plan ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.plan FORCE ROW LEVEL SECURITY;
ALTER TABLE core.plan_limit ENABLE ROW LEVEL SECURITY;
ALTER TABLE core.plan_limit FORCE ROW LEVEL SECURITY;

-- allow always-true-policy: a shared noun is readable by everyone.
CREATE POLICY shared ON core.plan FOR SELECT TO fivefold_api, fivefold_worker USING (true);
-- allow always-true-policy: as above.
CREATE POLICY shared ON core.plan_limit FOR SELECT TO fivefold_api, fivefold_worker USING (true);
CREATE POLICY curator_update ON core.plan_limit FOR UPDATE TO fivefold_api
USING ((SELECT core.is_curator()));
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON core.plan TO fivefold_owner USING (true) WITH CHECK (true);
-- allow always-true-policy: as above.
CREATE POLICY owner ON core.plan_limit TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT ON core.plan, core.plan_limit TO fivefold_api, fivefold_worker;
GRANT UPDATE (amount) ON core.plan_limit TO fivefold_api;

-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_insert AFTER INSERT ON core.plan REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'id', 'id,slug,name,position');
CREATE TRIGGER audit_update AFTER UPDATE ON core.plan REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'id', 'id,slug,name,position');
CREATE TRIGGER audit_delete AFTER DELETE ON core.plan REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'id', 'id,slug,name,position');
ALTER TABLE core.plan ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE core.plan ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE core.plan ENABLE ALWAYS TRIGGER audit_delete;
CREATE TRIGGER audit_insert AFTER INSERT ON core.plan_limit REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'plan_id,name', 'plan_id,name,amount');
CREATE TRIGGER audit_update AFTER UPDATE ON core.plan_limit REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'plan_id,name', 'plan_id,name,amount');
CREATE TRIGGER audit_delete AFTER DELETE ON core.plan_limit REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'plan_id,name', 'plan_id,name,amount');
ALTER TABLE core.plan_limit ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE core.plan_limit ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE core.plan_limit ENABLE ALWAYS TRIGGER audit_delete;

INSERT INTO core.plan (position, slug, name)
VALUES (1, 'free', 'Free'), (2, 'pro', 'Pro'), (3, 'premium', 'Premium'), (4, 'enterprise', 'Enterprise');

INSERT INTO core.plan_limit (plan_id, name, amount)
SELECT p.id, l.name, l.amount
FROM (VALUES
    ('free', 'privacy.platform_links', 3::bigint), ('free', 'privacy.daily_scans', 0), ('free', 'privacy.analysis', 0),
    ('pro', 'privacy.platform_links', NULL), ('pro', 'privacy.daily_scans', NULL), ('pro', 'privacy.analysis', 0),
    ('premium', 'privacy.platform_links', NULL), ('premium', 'privacy.daily_scans', NULL), ('premium', 'privacy.analysis', NULL),
    ('enterprise', 'privacy.platform_links', NULL), ('enterprise', 'privacy.daily_scans', NULL), ('enterprise', 'privacy.analysis', NULL)
) AS l (slug, name, amount)
JOIN core.plan AS p USING (slug);

-- allow adding-foreign-key-constraint: it is checked in one pass over a small table.
ALTER TABLE core.workspace
ADD COLUMN plan text NOT NULL DEFAULT 'free' CONSTRAINT workspace_plan_fkey REFERENCES core.plan (slug);
-- allow require-concurrent-index-creation: as above.
CREATE INDEX workspace_plan_idx ON core.workspace (plan);
COMMENT ON COLUMN core.workspace.plan IS 'What the workspace may use.';

-- A limit is checked under the workspace's lock, which asks for the right to update one column of it.
CREATE POLICY tenant_update ON core.workspace FOR UPDATE TO fivefold_api
USING (id = (SELECT core.current_workspace_id()));
GRANT UPDATE (name) ON core.workspace TO fivefold_api;

-- allow drop-trigger: the same comes back in this transaction, with one column more.
DROP TRIGGER audit_insert ON core.workspace;
-- allow drop-trigger: as above.
DROP TRIGGER audit_update ON core.workspace;
-- allow drop-trigger: as above.
DROP TRIGGER audit_delete ON core.workspace;
CREATE TRIGGER audit_insert AFTER INSERT ON core.workspace REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('id', 'id', 'id,kind,name,personal_account_id,plan');
CREATE TRIGGER audit_update AFTER UPDATE ON core.workspace REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('id', 'id', 'id,kind,name,personal_account_id,plan');
CREATE TRIGGER audit_delete AFTER DELETE ON core.workspace REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('id', 'id', 'id,kind,name,personal_account_id,plan');
ALTER TABLE core.workspace ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE core.workspace ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE core.workspace ENABLE ALWAYS TRIGGER audit_delete;

-- Curators see no workspace but their own; this tells them only whether there is one.
CREATE FUNCTION core.assign_plan(workspace_id uuid, plan text) RETURNS boolean
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    UPDATE core.workspace AS w
    SET plan = assign_plan.plan
    WHERE w.id = assign_plan.workspace_id
        AND w.kind <> 'system'
        AND core.is_curator()
    RETURNING true;
END;

REVOKE ALL ON FUNCTION core.assign_plan(uuid, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION core.assign_plan(uuid, text) TO fivefold_api;
