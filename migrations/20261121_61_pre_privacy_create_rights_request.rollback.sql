SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DROP TABLE privacy.rights_request_event;
DROP TABLE privacy.rights_request;
DROP FUNCTION privacy.step_rights_request();
