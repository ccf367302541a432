SET LOCAL lock_timeout = '3s';
SET LOCAL statement_timeout = '60s';

DROP FUNCTION jobs.enqueue(text, bytea[], text[], interval, integer);
DROP TABLE jobs.effect;
DROP TABLE jobs.pgqueuer_statistics;
DROP TABLE jobs.pgqueuer_schedules;
DROP TABLE jobs.pgqueuer_log;
DROP TABLE jobs.pgqueuer;
DROP TYPE jobs.pgqueuer_status;
DROP SCHEMA jobs;
