create table {migrations} (
    version integer primary key,
    name text not null,
    applied_at timestamptz not null
);

create table {owners} (
    id uuid primary key,
    name text not null,
    node text not null,
    opened_at timestamptz not null,
    lease_expires_at timestamptz not null
);

-- Every reservation and every end of a job leaves a dead row, in the place of the index `jobs_ready`
-- where the next reservation begins to read. With a long backlog, the server's default of vacuuming
-- after a fifth of the table has died is far too late, so it does so after 1 % plus 1,000 rows.
-- https://www.postgresql.org/docs/current/routine-vacuuming.html#AUTOVACUUM
-- The fillfactor is the default one: a reservation moves the row from one partial index to another, so
-- no such update can be heap-only (https://www.postgresql.org/docs/current/storage-hot.html).
create table {jobs} (
    id uuid primary key,
    name text not null check (name <> ''),
    payload text not null,
    priority smallint not null default 0 check (priority >= -32767),
    attempts integer not null default 0 check (attempts >= 0),
    crashes integer not null default 0 check (crashes >= 0),
    interruptions integer not null default 0 check (interruptions >= 0),
    reservations integer not null default 0 check (reservations >= 0),
    created_at timestamptz not null,
    available_at timestamptz not null,
    reserved_at timestamptz,
    reserved_by uuid,
    unique_key text check (unique_key <> ''),
    errors text not null default '[]',
    check ((reserved_by is null) = (reserved_at is null)),
    check (reserved_by is null or reservations > 0)
) with (
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.05
);

create unique index jobs_unique on {jobs} (name, unique_key) where unique_key is not null;

create index jobs_ready on {jobs} (name, priority, available_at, id) where reserved_by is null;

-- With the id, because settling looks jobs up by owner and id. By the owner alone, it would read all
-- jobs of the owner for each of them.
create index jobs_reserved on {jobs} (reserved_by, id) where reserved_by is not null;

create table {jobs_succeeded} (
    id uuid primary key,
    name text not null,
    payload text not null,
    priority smallint not null,
    attempts integer not null,
    crashes integer not null,
    interruptions integer not null,
    reservations integer not null,
    created_at timestamptz not null,
    available_at timestamptz not null,
    reserved_at timestamptz,
    reserved_by uuid,
    unique_key text,
    errors text not null,
    succeeded_at timestamptz not null
);

create index jobs_succeeded_at on {jobs_succeeded} (succeeded_at);

create table {jobs_failed} (
    id uuid primary key,
    name text not null,
    payload text not null,
    priority smallint not null,
    attempts integer not null,
    crashes integer not null,
    interruptions integer not null,
    reservations integer not null,
    created_at timestamptz not null,
    available_at timestamptz not null,
    reserved_at timestamptz,
    reserved_by uuid,
    unique_key text,
    errors text not null,
    error text not null,
    failed_at timestamptz not null
);

create index jobs_failed_at on {jobs_failed} (failed_at);
