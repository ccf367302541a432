-- Why:      first product: people link their accounts on platforms.
-- Change:   schema privacy; privacy.platform.
-- Locks:    none on existing tables.
-- Data:     no rows are written.
-- Old code: nothing reads it yet.
-- Rollback: drops the registry of platforms.
-- depends: 20261120_08_pre_core_create_curator

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE SCHEMA privacy;

COMMENT ON SCHEMA privacy IS 'Privacy-settings monitor.';

GRANT USAGE ON SCHEMA privacy TO fivefold_api, fivefold_worker;

CREATE TABLE privacy.platform (
    id          uuid        NOT NULL DEFAULT uuidv7() CONSTRAINT platform_pkey PRIMARY KEY,
    created_at  timestamptz NOT NULL DEFAULT now(),
    slug        text        NOT NULL CONSTRAINT platform_slug_key UNIQUE
        CONSTRAINT platform_slug_form CHECK (slug ~ '^[a-z0-9-]{1,50}$'),
    name        text        NOT NULL CONSTRAINT platform_name_length CHECK (length(name) BETWEEN 1 AND 100),
    domain      text        NOT NULL CONSTRAINT platform_domain_length CHECK (length(domain) BETWEEN 1 AND 253),
    website_url text        NOT NULL CONSTRAINT platform_website_url_form CHECK (website_url LIKE 'https://%'),
    privacy_url text        NOT NULL CONSTRAINT platform_privacy_url_form CHECK (privacy_url LIKE 'https://%')
);

COMMENT ON TABLE privacy.platform IS 'shared. A service whose privacy settings are watched.';

ALTER TABLE privacy.platform ENABLE ROW LEVEL SECURITY;
ALTER TABLE privacy.platform FORCE ROW LEVEL SECURITY;

-- allow always-true-policy: a shared noun is readable by everyone.
CREATE POLICY shared ON privacy.platform FOR SELECT TO fivefold_api, fivefold_worker USING (true);
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON privacy.platform TO fivefold_owner USING (true) WITH CHECK (true);

-- Activating a template locks the row of its platform, which asks for the right to update one column of it.
CREATE POLICY curator_update ON privacy.platform FOR UPDATE TO fivefold_api
USING ((SELECT core.is_curator()));

GRANT SELECT ON privacy.platform TO fivefold_api, fivefold_worker;
GRANT UPDATE (name) ON privacy.platform TO fivefold_api;

-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_insert AFTER INSERT ON privacy.platform REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'id', 'id,slug,name,domain,website_url,privacy_url');
CREATE TRIGGER audit_update AFTER UPDATE ON privacy.platform REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'id', 'id,slug,name,domain,website_url,privacy_url');
CREATE TRIGGER audit_delete AFTER DELETE ON privacy.platform REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'id', 'id,slug,name,domain,website_url,privacy_url');
ALTER TABLE privacy.platform ENABLE ALWAYS TRIGGER audit_insert;
ALTER TABLE privacy.platform ENABLE ALWAYS TRIGGER audit_update;
ALTER TABLE privacy.platform ENABLE ALWAYS TRIGGER audit_delete;
