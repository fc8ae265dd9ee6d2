-- Workers with an `on_failure` function, which processes register when they start.
create table {failure_hooks} (
    name text primary key not null
        check (length(cast(name as blob)) between 1 and 800),
    on_cancelled integer not null check (on_cancelled in (0, 1)),
    registered_at integer not null
) strict, without rowid;

-- Ends of jobs that wait for a process that has the worker. The job stays in its table, and is reserved
-- by an owner of its own, which register_hooks records. `reserved_by` is the owner before,
-- and `begun_at` the time of the last try.
-- Processes of the previous version take such a job for a running one whose owner is alive. They do not
-- know these tables, so they end jobs without marks.
create table {marked_ends} (
    job_id text primary key not null,
    state text not null check (state in ('failed', 'cancelled')),
    reason text not null check (length(cast(reason as blob)) <= 32768),
    author text check (length(cast(author as blob)) <= 800),
    reserved_by text,
    tries integer not null default 0 check (tries between 0 and 1073741823),
    begun_at integer,
    marked_at integer not null
) strict, without rowid;
