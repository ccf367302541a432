-- Why:      every product stands on the shared core, and every statement asks who is calling.
-- Change:   schema core; functions that read the identity that a transaction declared.
-- Locks:    none on existing tables.
-- Data:     no rows are written.
-- Old code: nothing reads it yet.
-- Rollback: drops the schema; refused while anything stands in it.

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

CREATE SCHEMA core;

COMMENT ON SCHEMA core IS 'Accounts, workspaces, keys, audit: what all products share.';

GRANT USAGE ON SCHEMA core TO fivefold_api, fivefold_worker, fivefold_auditor, fivefold_definer;

-- A setting that was transaction-local is '' afterwards, never NULL: nullif makes "no identity" see no rows instead of failing.
CREATE FUNCTION core.current_workspace_id() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = ''
RETURN nullif(current_setting('fivefold.workspace_id', true), '')::uuid;

CREATE FUNCTION core.current_account_id() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = ''
RETURN nullif(current_setting('fivefold.account_id', true), '')::uuid;

CREATE FUNCTION core.current_api_key_id() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = ''
RETURN nullif(current_setting('fivefold.api_key_id', true), '')::uuid;

CREATE FUNCTION core.current_request_id() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = ''
RETURN nullif(current_setting('fivefold.request_id', true), '')::uuid;

-- Events and rows that belong to no customer belong to this workspace.
CREATE FUNCTION core.system_workspace_id() RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = ''
RETURN '00000000-0000-7000-8000-000000000000'::uuid;

-- The smallest uuidv7 of a moment: its milliseconds, then zeros. Bounds of partitions and of id ranges.
CREATE FUNCTION core.uuidv7_floor(moment timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = ''
RETURN (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid;
