-- The occurrence of a schedule that a job is for, as JSON text; null for other jobs.
-- New columns are the last ones and null in existing rows, so no row is rewritten
-- (https://sqlite.org/lang_altertable.html).
alter table {jobs} add column occurrence text;

alter table {jobs_succeeded} add column occurrence text;

alter table {jobs_failed} add column occurrence text;
