-- Why:      the planner's statistics keep values of rows: after an erasure an address, a name or a note could be read in them
--           until the table was analyzed again, and longer where it was left empty.
-- Change:   no statistics of what people write or are called by.
-- Locks:    SHARE UPDATE EXCLUSIVE for a moment, so that reading and writing go on, on core.account, core.api_key,
--           core.api_key_network, core.audit_detail, core.billing_customer, core.billing_event, core.credential,
--           core.credit_purchase, core.data_export, core.data_export_chunk, core.data_key, core.device, core.domain,
--           core.email_token, core.idempotency, core.identity, core.invitation, core.invoice, core.ledger_transfer,
--           core.notification, core.outbox, core.security_alert, core.session, core.sign_in, core.sign_up, core.team,
--           core.webhook, core.webhook_delivery, core.workspace.
-- Data:     statistics of those columns are dropped.
-- Old code: goes on.
-- Rollback: statistics are gathered again by the next ANALYZE.
-- depends: 20261125_31_post_core_drop_old_functions 20261125_40_pre_core_inline_identity

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

ALTER TABLE core.account
ALTER COLUMN display_name SET STATISTICS 0,
ALTER COLUMN email SET STATISTICS 0,
ALTER COLUMN locale SET STATISTICS 0,
ALTER COLUMN time_zone SET STATISTICS 0;
ALTER TABLE core.api_key
ALTER COLUMN hint SET STATISTICS 0,
ALTER COLUMN name SET STATISTICS 0,
ALTER COLUMN secret_hash SET STATISTICS 0;
ALTER TABLE core.api_key_network
ALTER COLUMN network SET STATISTICS 0;
ALTER TABLE core.audit_detail
ALTER COLUMN detail SET STATISTICS 0,
ALTER COLUMN salt SET STATISTICS 0;
ALTER TABLE core.billing_customer
ALTER COLUMN provider_customer_id SET STATISTICS 0;
ALTER TABLE core.billing_event
ALTER COLUMN detail SET STATISTICS 0,
ALTER COLUMN provider_event_id SET STATISTICS 0;
ALTER TABLE core.credential
ALTER COLUMN password_hash SET STATISTICS 0;
ALTER TABLE core.credit_purchase
ALTER COLUMN provider_payment_id SET STATISTICS 0;
ALTER TABLE core.data_export
ALTER COLUMN link_hash SET STATISTICS 0,
ALTER COLUMN used_hash SET STATISTICS 0;
ALTER TABLE core.data_export_chunk
ALTER COLUMN content SET STATISTICS 0;
ALTER TABLE core.data_key
ALTER COLUMN wrapped SET STATISTICS 0;
ALTER TABLE core.device
ALTER COLUMN name SET STATISTICS 0,
ALTER COLUMN public_key SET STATISTICS 0;
ALTER TABLE core.domain
ALTER COLUMN name SET STATISTICS 0;
ALTER TABLE core.email_token
ALTER COLUMN email SET STATISTICS 0,
ALTER COLUMN token_hash SET STATISTICS 0;
ALTER TABLE core.idempotency
ALTER COLUMN input_hash SET STATISTICS 0,
ALTER COLUMN key SET STATISTICS 0;
ALTER TABLE core.identity
ALTER COLUMN issuer SET STATISTICS 0,
ALTER COLUMN subject SET STATISTICS 0;
ALTER TABLE core.invitation
ALTER COLUMN email SET STATISTICS 0,
ALTER COLUMN token_hash SET STATISTICS 0;
ALTER TABLE core.invoice
ALTER COLUMN hosted_url SET STATISTICS 0;
ALTER TABLE core.ledger_transfer
ALTER COLUMN reason SET STATISTICS 0;
ALTER TABLE core.notification
ALTER COLUMN detail SET STATISTICS 0;
ALTER TABLE core.outbox
ALTER COLUMN detail SET STATISTICS 0;
ALTER TABLE core.security_alert
ALTER COLUMN detail SET STATISTICS 0;
ALTER TABLE core.session
ALTER COLUMN address SET STATISTICS 0,
ALTER COLUMN client SET STATISTICS 0,
ALTER COLUMN family_hash SET STATISTICS 0,
ALTER COLUMN method SET STATISTICS 0,
ALTER COLUMN refreshed_from SET STATISTICS 0,
ALTER COLUMN turn_hash SET STATISTICS 0;
ALTER TABLE core.sign_in
ALTER COLUMN browser_hash SET STATISTICS 0,
ALTER COLUMN challenge SET STATISTICS 0,
ALTER COLUMN display_name SET STATISTICS 0,
ALTER COLUMN email SET STATISTICS 0,
ALTER COLUMN issuer SET STATISTICS 0,
ALTER COLUMN provider SET STATISTICS 0,
ALTER COLUMN secret_hash SET STATISTICS 0,
ALTER COLUMN subject SET STATISTICS 0;
ALTER TABLE core.sign_up
ALTER COLUMN display_name SET STATISTICS 0,
ALTER COLUMN email SET STATISTICS 0,
ALTER COLUMN password_hash SET STATISTICS 0,
ALTER COLUMN time_zone SET STATISTICS 0,
ALTER COLUMN token_hash SET STATISTICS 0;
ALTER TABLE core.team
ALTER COLUMN description SET STATISTICS 0,
ALTER COLUMN name SET STATISTICS 0;
ALTER TABLE core.webhook
ALTER COLUMN description SET STATISTICS 0,
ALTER COLUMN kinds SET STATISTICS 0,
ALTER COLUMN previous_secret SET STATISTICS 0,
ALTER COLUMN secret SET STATISTICS 0,
ALTER COLUMN url SET STATISTICS 0;
ALTER TABLE core.webhook_delivery
ALTER COLUMN detail SET STATISTICS 0,
ALTER COLUMN kind SET STATISTICS 0;
ALTER TABLE core.workspace
ALTER COLUMN logo_url SET STATISTICS 0,
ALTER COLUMN name SET STATISTICS 0;

-- What there is of them already.
SELECT pg_clear_attribute_stats(s.schemaname, s.tablename, s.attname, s.inherited)
FROM pg_stats AS s
JOIN pg_attribute AS a ON a.attrelid = format('%I.%I', s.schemaname, s.tablename)::regclass AND a.attname = s.attname
WHERE s.schemaname = 'core'
    AND a.attstattarget = 0;
