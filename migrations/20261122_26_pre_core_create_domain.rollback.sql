SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DELETE FROM core.data_inventory AS i
WHERE i.object = 'core.domain';
DROP TRIGGER join_automatically ON core.account;
DROP TRIGGER join_automatically_at_first ON core.account;
DROP FUNCTION core.join_automatically();
DROP FUNCTION core.join_by_domain(uuid);
DROP FUNCTION core.list_joinable();
DELETE FROM core.plan_limit AS l
WHERE l.name = 'core.domains';
DROP TABLE core.domain;
