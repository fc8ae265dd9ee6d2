-- Which time of a schedule a job serves, as JSON text; null for jobs that were enqueued by hand.
-- New columns stand last and are null in the rows that exist, so no row is written again.
alter table {jobs} add column occurrence text;

alter table {jobs_succeeded} add column occurrence text;

alter table {jobs_failed} add column occurrence text;
