SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

REVOKE UPDATE (display_name, locale, time_zone) ON core.account FROM fivefold_api;
DROP POLICY self_update ON core.account;
