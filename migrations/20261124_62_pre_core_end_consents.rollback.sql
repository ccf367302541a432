SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DROP FUNCTION core.hold_consent(uuid, text);
-- allow drop-trigger: it is what is rolled back.
DROP TRIGGER end_consent ON core.member;
DROP FUNCTION core.end_consent();
