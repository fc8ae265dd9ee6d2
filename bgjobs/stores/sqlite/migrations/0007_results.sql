-- The results of succeeded jobs, as JSON text; null where the worker keeps none. And the progress that a
-- handler reported, as JSON text; null where it reported none. Neither has a constraint: a longer text
-- is not read.
-- New columns are the last ones and null in existing rows, so no row is rewritten
-- (https://sqlite.org/lang_altertable.html). Other writers wait for some milliseconds.
-- Processes of the previous version do not know the new columns: they neither keep the results of the
-- runs that they end nor take a progress along.
alter table {jobs} add column progress text;

alter table {jobs_succeeded} add column progress text;

alter table {jobs_succeeded} add column result text;

alter table {jobs_failed} add column progress text;

alter table {jobs_cancelled} add column progress text;

alter table {jobs_unreadable} add column progress;

alter table {jobs_unreadable} add column result;
