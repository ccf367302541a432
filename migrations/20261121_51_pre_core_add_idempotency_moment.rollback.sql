SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

REVOKE UPDATE (moment) ON core.idempotency FROM fivefold_api;

ALTER TABLE core.idempotency DROP COLUMN moment;
