-- Why:      what a person sent is shown to an outside model with their consent alone.
-- Change:   the purpose model_analysis; privacy.list_withheld_word().
-- Locks:    none on existing tables.
-- Data:     one row of core.consent_purpose.
-- Old code: goes on, and asks for no consent.
-- Rollback: fails while somebody consented to it: that there was a consent is kept.
-- depends: 20261123_41_pre_core_create_consent 20261121_33_pre_privacy_create_setting_label 20261121_31_pre_privacy_create_proposal 20261124_62_pre_core_end_consents

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

INSERT INTO core.consent_purpose (slug, version, title, text, valid_from) VALUES (
    'model_analysis',
    1,
    'Words of yours for an outside model',
    'When you propose the settings of a page, you send its words along. A model that somebody else runs may read those words to '
    'explain the settings to everybody who has them. It is told neither who you are nor what you have chosen. Without your consent '
    'your words are not shown to it. You can withdraw at any time; from then on they are not shown to it any more.',
    now()
);

-- The settings of a template whose words come from people, of whom nobody who sent those very words consents at this moment.
CREATE FUNCTION privacy.list_withheld_word(template_id uuid) RETURNS TABLE (key text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
BEGIN ATOMIC
    SELECT DISTINCT l.key
    FROM privacy.setting_label AS l
    WHERE l.template_id = list_withheld_word.template_id
        AND l.source = 'AGREED'
        AND NOT EXISTS (
            SELECT
            FROM privacy.proposal AS p
            JOIN core.consent AS c
                ON c.workspace_id = p.workspace_id
                AND c.account_id = p.account_id
                AND c.purpose = 'model_analysis'
                AND c.withdrawn_at IS NULL
                AND c.replaced_at IS NULL
            WHERE p.template_id = l.template_id
                AND p.locale = l.locale
                AND p.labels ->> l.key = l.label
                AND core.consent_holds(c)
        );
END;
REVOKE ALL ON FUNCTION privacy.list_withheld_word(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION privacy.list_withheld_word(uuid) TO fivefold_worker;
