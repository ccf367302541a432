SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DROP FUNCTION core.check_ledger();
DROP FUNCTION core.buy_credits(text, bigint, text);
DROP FUNCTION core.grant_credits(uuid, text, bigint, text, text);
DROP FUNCTION core.expire_reservations();
DROP FUNCTION core.end_reservation(uuid, text, bigint);
DROP FUNCTION core.reserve_credits(text, bigint, text, text, integer);
DROP FUNCTION core.lock_wallet(uuid, text);
DROP FUNCTION core.post_transfer(uuid, text, text, bigint, text, uuid, text);
DROP TABLE core.ledger_entry;
DROP TABLE core.ledger_transfer;
DROP TABLE core.reservation;
DROP TABLE core.ledger_account;
DROP FUNCTION core.step_reservation();
DROP FUNCTION core.book_entries();

DELETE FROM core.data_inventory
WHERE object IN ('core.ledger_account', 'core.reservation', 'core.ledger_transfer', 'core.ledger_entry');
