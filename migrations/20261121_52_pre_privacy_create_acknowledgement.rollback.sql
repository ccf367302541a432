SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DROP POLICY claimed ON privacy.change;
REVOKE UPDATE (origin, confidence) ON privacy.change FROM fivefold_api;

DROP TABLE privacy.acknowledgement;
