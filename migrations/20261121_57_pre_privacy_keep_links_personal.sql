-- Why:      an organization sees aggregates only: a member's links and what was seen of them are that member's alone.
-- Change:   restrictive policies on privacy.platform_link, privacy.snapshot and privacy.recommendation_dismissal for the API;
--           privacy.active_link_count(), which counts a workspace's links whoever asks.
-- Locks:    ACCESS EXCLUSIVE on privacy.platform_link, privacy.snapshot and privacy.recommendation_dismissal for a moment.
-- Data:     no rows are written. In a personal workspace all links are its one person's, so nothing is hidden there.
-- Old code: sees less in organizations, as it should; counts a member's links where it should count the workspace's.
-- Rollback: members see each other's links again.
-- depends: 20261121_56_pre_privacy_label_links_by_person 20261120_25_pre_privacy_create_snapshot 20261121_58_pre_privacy_create_recommendation_dismissal

SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

-- Restrictive: it holds beside the tenant's policy, for reading and for writing. The worker acts for no person.
CREATE POLICY person ON privacy.platform_link AS RESTRICTIVE TO fivefold_api
USING (account_id = (SELECT core.current_account_id()));

-- The policies of the link apply inside: a link that is not seen is not there.
CREATE POLICY person ON privacy.snapshot AS RESTRICTIVE TO fivefold_api
USING (EXISTS (SELECT FROM privacy.platform_link AS l WHERE l.workspace_id = snapshot.workspace_id AND l.id = snapshot.link_id));

CREATE POLICY person ON privacy.recommendation_dismissal AS RESTRICTIVE TO fivefold_api
USING (EXISTS (
    SELECT FROM privacy.platform_link AS l
    WHERE l.workspace_id = recommendation_dismissal.workspace_id AND l.id = recommendation_dismissal.link_id
));

-- A plan limits the links of a workspace, of which a member sees only some.
CREATE FUNCTION privacy.active_link_count() RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
RETURN (
    SELECT count(*)
    FROM privacy.platform_link AS l
    WHERE l.workspace_id = core.current_workspace_id()
        AND l.status = 'ACTIVE'
);

REVOKE ALL ON FUNCTION privacy.active_link_count() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION privacy.active_link_count() TO fivefold_api;
