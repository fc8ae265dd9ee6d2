-- Jobs that belong to another job, or to a nursery of an application, which is a row of owners.
-- `parent_id` is null for most jobs. `has_children` is true once a child was stored: the statements that
-- end a job leave such rows to others, which also end its descendants.
-- No other session can read or write these tables until the transaction has ended. The new columns are
-- null or have a constant default, so they are added without reading the tables.
-- `jobs` is locked first, as in 0005. The indexes are built after all columns were added, as in 0005, and
-- read each of `jobs`, `jobs_failed` and `jobs_cancelled` once: with a million rows, about a second.
-- https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES
-- Processes of the previous version do not know the new columns and tables. A child that they end is
-- stored without its parent, and `children` still has it. A parent that they end leaves its children live,
-- and a child that they put back after that waits: end_orphans ends both. They prune children of
-- live parents.
alter table {jobs}
    add column parent_id uuid,
    add column has_children boolean not null default false;

alter table {jobs_succeeded} add column parent_id uuid;

alter table {jobs_failed} add column parent_id uuid;

alter table {jobs_cancelled} add column parent_id uuid;

alter table {jobs_unreadable} add column parent_id uuid;

create index jobs_children on {jobs} (parent_id) where parent_id is not null;

-- Children that ended without success, which a parent asks for by the time of the end.
create index jobs_failed_children on {jobs_failed} (parent_id, failed_at) where parent_id is not null;

create index jobs_cancelled_children on {jobs_cancelled} (parent_id, cancelled_at)
where parent_id is not null;

-- Which job is the child of a key. A row is deleted with the last record of its job.
create table {children} (
    parent_id uuid not null,
    child_key text not null,
    child_id uuid not null,
    primary key (parent_id, child_key),
    constraint children_limits check (
        child_key <> '' and pg_catalog.octet_length(child_key) <= 800
    )
);

create index children_by_id on {children} (child_id);

create index children_in_order on {children} (parent_id, child_id);

-- Reserved jobs whose handler waits for its children. A row counts only while its reservation holds.
create table {waiting_jobs} (
    job_id uuid primary key,
    reserved_by uuid not null,
    number integer not null,
    since timestamptz not null
);
