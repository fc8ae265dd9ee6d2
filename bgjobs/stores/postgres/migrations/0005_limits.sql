-- Rows that cannot be read as jobs, because another program, another version of bgjobs or a person
-- wrote them. They stay here until they are deleted, or until a version that can read them puts them
-- back. The columns are those of the jobs, without any constraint.
create table {jobs_unreadable} (
    id uuid primary key,
    origin text not null,
    reason text not null,
    found_at timestamptz not null,
    job_id uuid not null,
    name text,
    payload text,
    priority smallint,
    attempts integer,
    crashes integer,
    interruptions integer,
    reservations integer,
    created_at timestamptz,
    available_at timestamptz,
    reserved_at timestamptz,
    reserved_by uuid,
    unique_key text,
    errors text,
    occurrence text,
    metadata text,
    succeeded_at timestamptz,
    error text,
    failed_at timestamptz
);

-- Move the rows that the constraints below would refuse, so that no later update of an old row fails.
-- Each table is read once, under row locks only: other processes keep writing to it.
with apart as (
    delete from {jobs}
    where not (
        pg_catalog.octet_length(name) <= 800
        and pg_catalog.octet_length(payload) <= 1048576
        and pg_catalog.octet_length(unique_key) <= 836
        and pg_catalog.octet_length(errors) <= 988160
        and pg_catalog.octet_length(occurrence) <= 65536
        and pg_catalog.octet_length(metadata) <= 96000
        and name <> ''
        and unique_key <> ''
        and (attempts | crashes | interruptions | reservations) & -1073741824 = 0
        and least(created_at, available_at, reserved_at) >= '0001-01-01 00:00:00+00'
        and greatest(created_at, available_at, reserved_at) < '10000-01-01 00:00:00+00'
    )
    returning *
)
insert into {jobs_unreadable} (
    id, origin, reason, found_at, job_id,
    name, payload, priority, attempts, crashes, interruptions, reservations, created_at,
    available_at, reserved_at, reserved_by, unique_key, errors, occurrence, metadata
)
select
    case when exists (select from {jobs_unreadable} as other where other.id = apart.id)
        then pg_catalog.gen_random_uuid() else id end,
    'jobs', 'a column is longer, larger or earlier than any that bgjobs writes', now(), id,
    name, payload, priority, attempts, crashes, interruptions, reservations, created_at,
    available_at, reserved_at, reserved_by, unique_key, errors, occurrence, metadata
from apart;

with apart as (
    delete from {jobs_succeeded}
    where not (
        pg_catalog.octet_length(name) <= 800
        and pg_catalog.octet_length(payload) <= 1048576
        and pg_catalog.octet_length(unique_key) <= 836
        and pg_catalog.octet_length(errors) <= 988160
        and pg_catalog.octet_length(occurrence) <= 65536
        and pg_catalog.octet_length(metadata) <= 96000
        and name <> ''
        and unique_key <> ''
        and priority >= -32767
        and (attempts | crashes | interruptions | reservations) & -1073741824 = 0
        and least(created_at, available_at, reserved_at, succeeded_at) >= '0001-01-01 00:00:00+00'
        and greatest(created_at, available_at, reserved_at, succeeded_at) < '10000-01-01 00:00:00+00'
    )
    returning *
)
insert into {jobs_unreadable} (
    id, origin, reason, found_at, job_id,
    name, payload, priority, attempts, crashes, interruptions, reservations, created_at,
    available_at, reserved_at, reserved_by, unique_key, errors, occurrence, metadata,
    succeeded_at
)
select
    case when exists (select from {jobs_unreadable} as other where other.id = apart.id)
        then pg_catalog.gen_random_uuid() else id end,
    'jobs_succeeded', 'a column is longer, larger or earlier than any that bgjobs writes', now(), id,
    name, payload, priority, attempts, crashes, interruptions, reservations, created_at,
    available_at, reserved_at, reserved_by, unique_key, errors, occurrence, metadata,
    succeeded_at
from apart;

with apart as (
    delete from {jobs_failed}
    where not (
        pg_catalog.octet_length(name) <= 800
        and pg_catalog.octet_length(payload) <= 1048576
        and pg_catalog.octet_length(unique_key) <= 836
        and pg_catalog.octet_length(errors) <= 988160
        and pg_catalog.octet_length(occurrence) <= 65536
        and pg_catalog.octet_length(metadata) <= 96000
        and pg_catalog.octet_length(error) <= 32768
        and name <> ''
        and unique_key <> ''
        and priority >= -32767
        and (attempts | crashes | interruptions | reservations) & -1073741824 = 0
        and least(created_at, available_at, reserved_at, failed_at) >= '0001-01-01 00:00:00+00'
        and greatest(created_at, available_at, reserved_at, failed_at) < '10000-01-01 00:00:00+00'
    )
    returning *
)
insert into {jobs_unreadable} (
    id, origin, reason, found_at, job_id,
    name, payload, priority, attempts, crashes, interruptions, reservations, created_at,
    available_at, reserved_at, reserved_by, unique_key, errors, occurrence, metadata,
    error, failed_at
)
select
    case when exists (select from {jobs_unreadable} as other where other.id = apart.id)
        then pg_catalog.gen_random_uuid() else id end,
    'jobs_failed', 'a column is longer, larger or earlier than any that bgjobs writes', now(), id,
    name, payload, priority, attempts, crashes, interruptions, reservations, created_at,
    available_at, reserved_at, reserved_by, unique_key, errors, occurrence, metadata,
    error, failed_at
from apart;

-- These rows can be deleted: the jobs of an owner without a row are released.
delete from {owners}
where not (
    pg_catalog.octet_length(name) <= 800
    and pg_catalog.octet_length(node) <= 4000
    and opened_at >= '0001-01-01 00:00:00+00' and opened_at < '10000-01-01 00:00:00+00'
    and lease_expires_at >= '0001-01-01 00:00:00+00' and lease_expires_at < '11000-01-01 00:00:00+00'
);

delete from {cancellations}
where not (
    pg_catalog.octet_length(reason) <= 32768
    and asked_at >= '0001-01-01 00:00:00+00' and asked_at < '10000-01-01 00:00:00+00'
);

delete from {paused_queues}
where not (
    pg_catalog.octet_length(name) <= 800
    and paused_at >= '0001-01-01 00:00:00+00' and paused_at < '10000-01-01 00:00:00+00'
);

delete from {starts}
where not (
    pg_catalog.octet_length(name) <= 800
    and started_at >= '0001-01-01 00:00:00+00' and started_at < '10000-01-01 00:00:00+00'
);

-- The constraints of jobs. PostgreSQL parses a constraint in each statement that writes to its table,
-- for about as long as the constraint has parts, so they are written with few parts:
--   * A bit of -1073741824 is set in every integer below 0 or above 1,073,741,823, and in no other.
--   * least() and greatest() ignore nulls.
--   * A check passes when its condition is null: a text that is null has no length.
-- For the same reason `jobs` loses those constraints of 0001 that the new one contains.
--
-- "not valid" because validation would read each table again: see `bgjobs migrate validate`. New
-- and changed rows are checked from now on.
-- https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES
--
-- From here to the end of the transaction no other session can read or write these tables, which is
-- why everything slow was done before. `jobs` is locked first, as by the statements that end a job: they
-- lock a row of `jobs` before they write to another table.
-- https://www.postgresql.org/docs/current/explicit-locking.html
alter table {jobs}
    drop constraint if exists jobs_name_check,
    drop constraint if exists jobs_unique_key_check,
    drop constraint if exists jobs_attempts_check,
    drop constraint if exists jobs_crashes_check,
    drop constraint if exists jobs_interruptions_check,
    drop constraint if exists jobs_reservations_check,
    add constraint jobs_limits check (
        pg_catalog.octet_length(name) <= 800
        and pg_catalog.octet_length(payload) <= 1048576
        and pg_catalog.octet_length(unique_key) <= 836
        and pg_catalog.octet_length(errors) <= 988160
        and pg_catalog.octet_length(occurrence) <= 65536
        and pg_catalog.octet_length(metadata) <= 96000
        and name <> ''
        and unique_key <> ''
        and (attempts | crashes | interruptions | reservations) & -1073741824 = 0
        and least(created_at, available_at, reserved_at) >= '0001-01-01 00:00:00+00'
        and greatest(created_at, available_at, reserved_at) < '10000-01-01 00:00:00+00'
    ) not valid;

alter table {jobs_succeeded}
    add constraint jobs_succeeded_limits check (
        pg_catalog.octet_length(name) <= 800
        and pg_catalog.octet_length(payload) <= 1048576
        and pg_catalog.octet_length(unique_key) <= 836
        and pg_catalog.octet_length(errors) <= 988160
        and pg_catalog.octet_length(occurrence) <= 65536
        and pg_catalog.octet_length(metadata) <= 96000
        and name <> ''
        and unique_key <> ''
        and priority >= -32767
        and (attempts | crashes | interruptions | reservations) & -1073741824 = 0
        and least(created_at, available_at, reserved_at, succeeded_at) >= '0001-01-01 00:00:00+00'
        and greatest(created_at, available_at, reserved_at, succeeded_at) < '10000-01-01 00:00:00+00'
    ) not valid;

alter table {jobs_failed}
    add constraint jobs_failed_limits check (
        pg_catalog.octet_length(name) <= 800
        and pg_catalog.octet_length(payload) <= 1048576
        and pg_catalog.octet_length(unique_key) <= 836
        and pg_catalog.octet_length(errors) <= 988160
        and pg_catalog.octet_length(occurrence) <= 65536
        and pg_catalog.octet_length(metadata) <= 96000
        and pg_catalog.octet_length(error) <= 32768
        and name <> ''
        and unique_key <> ''
        and priority >= -32767
        and (attempts | crashes | interruptions | reservations) & -1073741824 = 0
        and least(created_at, available_at, reserved_at, failed_at) >= '0001-01-01 00:00:00+00'
        and greatest(created_at, available_at, reserved_at, failed_at) < '10000-01-01 00:00:00+00'
    ) not valid;

alter table {owners} add constraint owners_limits check (
    pg_catalog.octet_length(name) <= 800
    and pg_catalog.octet_length(node) <= 4000
    and opened_at >= '0001-01-01 00:00:00+00' and opened_at < '10000-01-01 00:00:00+00'
    and lease_expires_at >= '0001-01-01 00:00:00+00' and lease_expires_at < '11000-01-01 00:00:00+00'
) not valid;

alter table {cancellations} add constraint cancellations_limits check (
    pg_catalog.octet_length(reason) <= 32768
    and asked_at >= '0001-01-01 00:00:00+00' and asked_at < '10000-01-01 00:00:00+00'
) not valid;

alter table {paused_queues} add constraint paused_queues_limits check (
    pg_catalog.octet_length(name) <= 800
    and paused_at >= '0001-01-01 00:00:00+00' and paused_at < '10000-01-01 00:00:00+00'
) not valid;

alter table {starts} add constraint starts_limits check (
    pg_catalog.octet_length(name) <= 800
    and started_at >= '0001-01-01 00:00:00+00' and started_at < '10000-01-01 00:00:00+00'
) not valid;

-- The rows of scheduled jobs: one for each, among many jobs without an occurrence. The index is built
-- after the constraints. In the other order a reservation that waits for the index would hold a lock
-- that the constraint needs, and the server would abort one of the two transactions as a deadlock.
-- Building it reads the table once.
create index jobs_occurrences on {jobs} (id) where occurrence is not null;
