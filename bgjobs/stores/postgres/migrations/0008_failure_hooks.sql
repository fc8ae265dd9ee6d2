-- Workers with an `on_failure` function, which processes register when they start.
create table {failure_hooks} (
    name text primary key,
    on_cancelled boolean not null,
    registered_at timestamptz not null,
    constraint failure_hooks_limits check (
        name <> '' and pg_catalog.octet_length(name) <= 800
    )
);

-- Ends of jobs that wait for a process that has the worker. The job stays in its table, and is reserved
-- by an owner of its own, which register_hooks records. `reserved_by` is the owner before,
-- and `begun_at` the time of the last try.
-- Processes of the previous version take such a job for a running one whose owner is alive. They do not
-- know these tables, so they end jobs without marks.
create table {marked_ends} (
    job_id uuid primary key,
    state text not null,
    reason text not null,
    author text,
    reserved_by uuid,
    tries integer not null default 0,
    begun_at timestamptz,
    marked_at timestamptz not null,
    constraint marked_ends_limits check (
        state in ('failed', 'cancelled')
        and pg_catalog.octet_length(reason) <= 32768
        and pg_catalog.octet_length(author) <= 800
        and tries between 0 and 1073741823
    )
);
