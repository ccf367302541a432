SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DROP FUNCTION core.unlink_identity(uuid);
DROP FUNCTION core.link_identity(text, text);
DROP FUNCTION core.meet_identity(text, text, text, text, boolean, boolean);
DROP FUNCTION core.end_ways_in(uuid, text);
