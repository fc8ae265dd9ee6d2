-- Jobs that an operator has cancelled, which were stored as failed jobs before. The constraint has few
-- parts, as those of 0005. The history of a job has no constraint: a longer text is not read.
create table {jobs_cancelled} (
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
    occurrence text,
    metadata text,
    history text,
    cancel_reason text not null,
    cancelled_by text,
    cancelled_at timestamptz not null,
    constraint jobs_cancelled_limits check (
        pg_catalog.octet_length(name) <= 800
        and pg_catalog.octet_length(payload) <= 1048576
        and pg_catalog.octet_length(unique_key) <= 836
        and pg_catalog.octet_length(errors) <= 988160
        and pg_catalog.octet_length(occurrence) <= 65536
        and pg_catalog.octet_length(metadata) <= 96000
        and pg_catalog.octet_length(cancel_reason) <= 32768
        and pg_catalog.octet_length(cancelled_by) <= 800
        and name <> ''
        and unique_key <> ''
        and priority >= -32767
        and (attempts | crashes | interruptions | reservations) & -1073741824 = 0
        and least(created_at, available_at, reserved_at, cancelled_at) >= '0001-01-01 00:00:00+00'
        and greatest(created_at, available_at, reserved_at, cancelled_at) < '10000-01-01 00:00:00+00'
    )
);

-- Owners that are closed, for the names of their queues, as long as jobs refer to them.
create table {past_owners} (
    id uuid primary key,
    name text not null,
    node text not null,
    opened_at timestamptz not null,
    closed_at timestamptz not null,
    constraint past_owners_limits check (
        pg_catalog.octet_length(name) <= 800
        and pg_catalog.octet_length(node) <= 4000
        and opened_at >= '0001-01-01 00:00:00+00' and opened_at < '10000-01-01 00:00:00+00'
        and closed_at >= '0001-01-01 00:00:00+00' and closed_at < '10000-01-01 00:00:00+00'
    )
);

create index past_owners_closed_at on {past_owners} (closed_at);

-- Move the cancelled jobs, whose error begins with "Cancelled: ", without that prefix. A job that failed
-- with an exception of a class of this name has the same text as the last of its errors, and stays. These
-- are compared as text, because another program may have written errors that are no JSON: the array ends
-- with the text as JSON, followed by the time of the reservation in rows that have it.
-- A row that the constraint above would refuse stays too.
-- The table is read once, under row locks only: other processes keep writing to it.
with moved as (
    delete from {jobs_failed}
    where pg_catalog.starts_with(error, 'Cancelled: ')
        and pg_catalog.right(
            pg_catalog.regexp_replace(errors, '(,null|,"[-+.:0-9T]+")?[]][]]$', ''),
            pg_catalog.length(pg_catalog.to_json(error)::text) + 1
        ) <> ',' || pg_catalog.to_json(error)::text
        and pg_catalog.octet_length(name) <= 800
        and pg_catalog.octet_length(payload) <= 1048576
        and (unique_key is null or pg_catalog.octet_length(unique_key) <= 836)
        and pg_catalog.octet_length(errors) <= 988160
        and (occurrence is null or pg_catalog.octet_length(occurrence) <= 65536)
        and (metadata is null or pg_catalog.octet_length(metadata) <= 96000)
        and pg_catalog.octet_length(error) <= 32768
        and name <> ''
        and (unique_key is null or unique_key <> '')
        and priority >= -32767
        and (attempts | crashes | interruptions | reservations) & -1073741824 = 0
        and least(created_at, available_at, reserved_at, failed_at) >= '0001-01-01 00:00:00+00'
        and greatest(created_at, available_at, reserved_at, failed_at) < '10000-01-01 00:00:00+00'
    returning *
)
insert into {jobs_cancelled} (
    id, name, payload, priority, attempts, crashes, interruptions, reservations, created_at,
    available_at, reserved_at, reserved_by, unique_key, errors, occurrence, metadata,
    cancel_reason, cancelled_at
)
select
    id, name, payload, priority, attempts, crashes, interruptions, reservations, created_at,
    available_at, reserved_at, reserved_by, unique_key, errors, occurrence, metadata,
    pg_catalog.substr(error, 12), failed_at
from moved;

create index jobs_cancelled_by_name on {jobs_cancelled} (name, id);

create index jobs_cancelled_at on {jobs_cancelled} (cancelled_at);

-- From here to the end of the transaction no other session can read or write these tables. New columns
-- that are null in all rows are added without reading the tables, so that takes a few milliseconds once
-- each table is locked. `jobs` is locked first, as in 0005.
-- https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES
-- Processes of the previous version do not know the new columns: the jobs that they end have no history,
-- and the ones that they cancel are stored as failed.
alter table {jobs} add column history text;

alter table {jobs_succeeded} add column history text;

alter table {jobs_failed} add column history text;

alter table {jobs_unreadable}
    add column history text,
    add column cancel_reason text,
    add column cancelled_by text,
    add column cancelled_at timestamptz;

-- Who asked for the cancellation; null if that is not known. The constraint reads this small table.
alter table {cancellations}
    add column cancelled_by text check (pg_catalog.octet_length(cancelled_by) <= 800);
