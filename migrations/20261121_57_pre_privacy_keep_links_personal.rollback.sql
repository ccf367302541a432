SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DROP FUNCTION privacy.active_link_count();
DROP POLICY person ON privacy.recommendation_dismissal;
DROP POLICY person ON privacy.snapshot;
DROP POLICY person ON privacy.platform_link;
