SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DELETE FROM core.data_inventory AS i
WHERE i.object = 'core.invitation';
DROP FUNCTION core.list_own_invitation();
DROP FUNCTION core.answer_invitation(bytea, uuid, boolean);
DROP FUNCTION core.add_member(uuid, uuid, text);
DROP FUNCTION core.has_member_email(text);
DELETE FROM core.plan_limit AS l
WHERE l.name = 'core.invitations';
DROP TABLE core.invitation;
