-- Why:      a person who asks a platform for their rights needs to know whom to write to.
-- Change:   privacy.platform_contact.
-- Locks:    SHARE ROW EXCLUSIVE on privacy.platform while the foreign key is added.
-- Data:     no rows are written; `fivefold seed` loads the curated files.
-- Old code: nothing reads it yet.
-- Rollback: drops the directory; the files have their part of it still.
-- depends: 20261120_20_pre_privacy_create_platform 20261120_08_pre_core_create_curator

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- allow prefer-bigint-over-int: version counts the versions of one contact.
CREATE TABLE privacy.platform_contact (
    id                uuid        NOT NULL DEFAULT uuidv7() CONSTRAINT platform_contact_pkey PRIMARY KEY,
    platform_id       uuid        NOT NULL CONSTRAINT platform_contact_platform_id_fkey REFERENCES privacy.platform (id),
    created_at        timestamptz NOT NULL DEFAULT now(),
    verified_at       timestamptz,
    version           integer     NOT NULL CONSTRAINT platform_contact_version_positive CHECK (version > 0),
    digest            bytea       NOT NULL CONSTRAINT platform_contact_digest_length CHECK (octet_length(digest) = 32),
    regime            text        NOT NULL CONSTRAINT platform_contact_regime_known CHECK (regime IN ('GDPR', 'CCPA')),
    quality           text        NOT NULL CONSTRAINT platform_contact_quality_known
        CHECK (quality IN ('TESTED', 'VERIFIED', 'IMPORTED', 'SCRAPED')),
    organization      text        NOT NULL CONSTRAINT platform_contact_organization_length CHECK (length(organization) BETWEEN 1 AND 200),
    email             text        CONSTRAINT platform_contact_email_form CHECK (email LIKE '%_@_%' AND length(email) <= 254),
    url               text        CONSTRAINT platform_contact_url_form CHECK (url LIKE 'https://%' AND length(url) <= 500),
    postal_address    text        CONSTRAINT platform_contact_postal_address_length CHECK (length(postal_address) BETWEEN 1 AND 500),
    required_elements text[]      NOT NULL CONSTRAINT platform_contact_required_elements_count CHECK (cardinality(required_elements) <= 20),
    CONSTRAINT platform_contact_platform_id_regime_version_key UNIQUE (platform_id, regime, version),
    CONSTRAINT platform_contact_has_address CHECK (coalesce(email, url, postal_address) IS NOT NULL),
    CONSTRAINT platform_contact_verified_has_time CHECK ((quality IN ('TESTED', 'VERIFIED')) = (verified_at IS NOT NULL))
);

COMMENT ON TABLE privacy.platform_contact IS 'shared. Whom to write to under one law; a change is a new version, and the newest counts.';
COMMENT ON COLUMN privacy.platform_contact.digest IS 'sha256 of the RFC 8785 JSON of its content: loading a file again adds nothing.';

ALTER TABLE privacy.platform_contact ENABLE ROW LEVEL SECURITY;
ALTER TABLE privacy.platform_contact FORCE ROW LEVEL SECURITY;

-- allow always-true-policy: a shared noun is readable by everyone.
CREATE POLICY shared ON privacy.platform_contact FOR SELECT TO fivefold_api, fivefold_worker USING (true);
CREATE POLICY curator_insert ON privacy.platform_contact FOR INSERT TO fivefold_api
WITH CHECK ((SELECT core.is_curator()));
-- allow always-true-policy: without it the owner's back-fills, foreign keys and dumps miss rows in silence.
CREATE POLICY owner ON privacy.platform_contact TO fivefold_owner USING (true) WITH CHECK (true);

GRANT SELECT, INSERT ON privacy.platform_contact TO fivefold_api;
GRANT SELECT ON privacy.platform_contact TO fivefold_worker;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON privacy.platform_contact
FOR EACH ROW EXECUTE FUNCTION core.refuse_change();
ALTER TABLE privacy.platform_contact ENABLE ALWAYS TRIGGER append_only;

-- Writes one event per changed row; the last argument lists the columns that may be told.
CREATE TRIGGER audit_insert AFTER INSERT ON privacy.platform_contact REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION core.record_audit('', 'id', 'id,platform_id,regime,version,organization,email,url,postal_address,quality,verified_at');
ALTER TABLE privacy.platform_contact ENABLE ALWAYS TRIGGER audit_insert;
