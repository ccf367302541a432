SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DROP FUNCTION privacy.measure_template_usage();
DROP TABLE privacy.template_copy;
DROP TABLE privacy.template_usage;
