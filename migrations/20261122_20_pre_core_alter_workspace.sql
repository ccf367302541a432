-- Why:      people make organizations, name and brand them, say a few rules for them, and switch between those they are in.
-- Change:   core.workspace: version, color, logo_url, default_role, key_days; core.create_organization() and core.list_membership();
--           plans limit members and organizations.
-- Locks:    ACCESS EXCLUSIVE on core.workspace while columns and triggers are added: constant defaults, no rewrite.
-- Data:     two limits for each plan.
-- Old code: goes on; it neither shows nor writes the columns.
-- Rollback: drops the columns and what they hold.
-- depends: 20261122_02_pre_core_create_data_inventory 20261121_03_pre_core_create_plan

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow prefer-bigint-over-int: versions of one row, and days.
ALTER TABLE core.workspace
ADD COLUMN version integer NOT NULL DEFAULT 1,
ADD COLUMN key_days integer CONSTRAINT workspace_key_days_range CHECK (key_days BETWEEN 1 AND 3650),
ADD COLUMN color text CONSTRAINT workspace_color_form CHECK (color ~ '^#[0-9a-f]{6}$'),
ADD COLUMN logo_url text CONSTRAINT workspace_logo_url_form CHECK (logo_url ~ '^https://[^[:space:][:cntrl:]"''<>\\]+$' AND length(logo_url) <= 500),
ADD COLUMN default_role text NOT NULL DEFAULT 'member'
    CONSTRAINT workspace_default_role_known CHECK (default_role IN ('member', 'viewer', 'auditor'));

COMMENT ON COLUMN core.workspace.version IS 'Counts changes of name, branding and settings: who writes says which one was read.';
COMMENT ON COLUMN core.workspace.key_days IS 'API keys end after so many days at the latest; NULL is without limit.';
COMMENT ON COLUMN core.workspace.color IS 'Branding: #rrggbb.';
COMMENT ON COLUMN core.workspace.logo_url IS 'Branding: fetched by browsers, never by us.';
COMMENT ON COLUMN core.workspace.default_role IS 'What who is invited or joins becomes, where nothing else is said.';

GRANT UPDATE (version, key_days, color, logo_url, default_role) ON core.workspace TO fivefold_api;

-- allow drop-trigger: the same comes back in this transaction, with more columns.
DROP TRIGGER audit_insert ON core.workspace;
-- allow drop-trigger: as above.
DROP TRIGGER audit_update ON core.workspace;
-- allow drop-trigger: as above.
DROP TRIGGER audit_delete ON core.workspace;
CREATE TRIGGER audit_insert AFTER INSERT ON core.workspace REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION
core.record_audit('id', 'id', 'id,kind,name,personal_account_id,plan,color,logo_url,default_role,key_days');
CREATE TRIGGER audit_update AFTER UPDATE ON core.workspace REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION
core.record_audit('id', 'id', 'id,kind,name,personal_account_id,plan,color,logo_url,default_role,key_days');
CREATE TRIGGER audit_delete AFTER DELETE ON core.workspace REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION
core.record_audit('id', 'id', 'id,kind,name,personal_account_id,plan,color,logo_url,default_role,key_days');
ALTER TABLE core.workspace ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE core.workspace ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE core.workspace ENABLE ALWAYS TRIGGER audit_delete;

INSERT INTO core.plan_limit (plan_id, name, amount)
SELECT p.id, l.name, l.amount
FROM (VALUES
    ('free', 'core.members', 5::bigint), ('free', 'core.organizations', 1),
    ('pro', 'core.members', 25), ('pro', 'core.organizations', 5),
    ('premium', 'core.members', 100), ('premium', 'core.organizations', 10),
    ('enterprise', 'core.members', NULL), ('enterprise', 'core.organizations', 100)
) AS l (slug, name, amount)
JOIN core.plan AS p USING (slug);

-- A new workspace is nobody's yet, so no policy lets its maker write it. How many organizations a person may own is said by the
-- plan of the personal workspace, whose row is locked: two at once take turns. reached is what the limit was, where it is reached.
CREATE FUNCTION core.create_organization(name text)
RETURNS TABLE (id uuid, reached bigint, used bigint, plan text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = ''
AS $$
BEGIN
    SELECT l.amount, p.slug
    INTO reached, plan
    FROM core.workspace AS w
    JOIN core.plan AS p ON p.slug = w.plan
    LEFT JOIN core.plan_limit AS l ON l.plan_id = p.id AND l.name = 'core.organizations'
    WHERE w.personal_account_id = core.current_account_id()
    FOR NO KEY UPDATE OF w;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT count(*)
    INTO used
    FROM core.member AS m
    JOIN core.workspace AS w ON w.id = m.workspace_id
    WHERE m.account_id = core.current_account_id()
        AND m.role = 'owner'
        AND w.kind = 'organization';
    IF used < coalesce(reached, used + 1) THEN
        reached := NULL;
        INSERT INTO core.workspace AS w (kind, name)
        VALUES ('organization', create_organization.name)
        RETURNING w.id INTO create_organization.id;
        INSERT INTO core.member (workspace_id, account_id, role)
        VALUES (create_organization.id, core.current_account_id(), 'owner');
    END IF;
    RETURN NEXT;
END
$$;

-- The workspaces that the caller is in, whichever is the active one: enough to choose another.
CREATE FUNCTION core.list_membership()
RETURNS TABLE (
    workspace_id uuid, kind text, name text, color text, logo_url text, role text, joined_at timestamptz
)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    SELECT w.id, w.kind, w.name, w.color, w.logo_url, m.role, m.joined_at
    FROM core.member AS m
    JOIN core.workspace AS w ON w.id = m.workspace_id
    WHERE m.account_id = core.current_account_id();
END;

REVOKE ALL ON FUNCTION core.create_organization(text), core.list_membership() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION core.create_organization(text), core.list_membership() TO fivefold_api;

INSERT INTO core.data_inventory (object, column_name, class, purpose, export_rule, erase_rule, retention, reason) VALUES
('core.workspace', 'version', 'technical', 'operation', 'omit', 'delete', 'workspace', NULL),
('core.workspace', 'key_days', 'technical', 'security', 'include', 'delete', 'workspace', NULL),
('core.workspace', 'color', 'technical', 'service', 'include', 'delete', 'workspace', NULL),
('core.workspace', 'logo_url', 'personal', 'service', 'include', 'delete', 'workspace', NULL),
('core.workspace', 'default_role', 'technical', 'security', 'include', 'delete', 'workspace', NULL);
