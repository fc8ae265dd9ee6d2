-- The results of succeeded jobs, as JSON text; null where the worker keeps none. And the progress that a
-- handler reported, as JSON text; null where it reported none. Neither has a constraint: a longer text
-- is not read.
-- No other session can read or write these tables until the transaction has ended. New columns that are
-- null in all rows are added without reading the tables, so that takes a few milliseconds once each table
-- is locked. `jobs` is locked first, as in 0005.
-- https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES
-- Processes of the previous version do not know the new columns: they neither keep the results of the
-- runs that they end nor take a progress along.
alter table {jobs} add column progress text;

alter table {jobs_succeeded}
    add column progress text,
    add column result text;

alter table {jobs_failed} add column progress text;

alter table {jobs_cancelled} add column progress text;

alter table {jobs_unreadable}
    add column progress text,
    add column result text;
