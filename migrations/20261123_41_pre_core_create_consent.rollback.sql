SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DROP FUNCTION core.consent_holds(core.consent);
DROP TABLE core.consent;
DELETE FROM core.data_subject AS s
WHERE s.object = 'core.consent';
DELETE FROM core.data_inventory AS i
WHERE i.object = 'core.consent';
