SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DROP TRIGGER immutable ON privacy.snapshot;
CREATE TRIGGER immutable BEFORE UPDATE ON privacy.snapshot
FOR EACH ROW EXECUTE FUNCTION core.refuse_change();
ALTER TABLE privacy.snapshot ENABLE ALWAYS TRIGGER immutable;

REVOKE UPDATE (previous_seen_until) ON privacy.snapshot FROM fivefold_api;

COMMENT ON TABLE privacy.snapshot IS 'owned. Immutable. Only what differs from the template''s defaults is stored.';

ALTER TABLE privacy.snapshot DROP COLUMN previous_seen_until;
