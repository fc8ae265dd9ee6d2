-- For which time of a schedule a job was stored, as JSON text; null for other jobs. A new column that
-- is null in all existing rows is added without rewriting the table.
alter table {jobs} add column occurrence text;

alter table {jobs_succeeded} add column occurrence text;

alter table {jobs_failed} add column occurrence text;
