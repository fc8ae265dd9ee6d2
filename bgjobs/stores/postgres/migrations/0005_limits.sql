-- Rows that are no jobs: written by another program, another version, or by hand. Here they stay
-- until they are deleted, or can be read and are put back. The columns are those of the jobs, with
-- no bounds.
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

-- Each table is read once, without a lock that keeps others from writing. What is beyond the bounds
-- of the constraints below is set apart, so that none of them refuses a change of an old row.
with apart as (
    delete from {jobs}
    where not (
        pg_catalog.octet_length(name) between 1 and 800
        and pg_catalog.octet_length(payload) <= 1048576
        and priority >= -32767
        and attempts between 0 and 1073741823
        and crashes between 0 and 1073741823
        and interruptions between 0 and 1073741823
        and reservations between 0 and 1073741823
        and (created_at >= '0001-01-01 00:00:00+00' and created_at < '10000-01-01 00:00:00+00')
        and (available_at >= '0001-01-01 00:00:00+00' and available_at < '10000-01-01 00:00:00+00')
        and (reserved_at >= '0001-01-01 00:00:00+00' and reserved_at < '10000-01-01 00:00:00+00')
        and pg_catalog.octet_length(unique_key) between 1 and 836
        and pg_catalog.octet_length(errors) <= 988160
        and pg_catalog.octet_length(occurrence) <= 65536
        and pg_catalog.octet_length(metadata) <= 96000
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
        pg_catalog.octet_length(name) between 1 and 800
        and pg_catalog.octet_length(payload) <= 1048576
        and priority >= -32767
        and attempts between 0 and 1073741823
        and crashes between 0 and 1073741823
        and interruptions between 0 and 1073741823
        and reservations between 0 and 1073741823
        and (created_at >= '0001-01-01 00:00:00+00' and created_at < '10000-01-01 00:00:00+00')
        and (available_at >= '0001-01-01 00:00:00+00' and available_at < '10000-01-01 00:00:00+00')
        and (reserved_at >= '0001-01-01 00:00:00+00' and reserved_at < '10000-01-01 00:00:00+00')
        and pg_catalog.octet_length(unique_key) between 1 and 836
        and pg_catalog.octet_length(errors) <= 988160
        and pg_catalog.octet_length(occurrence) <= 65536
        and pg_catalog.octet_length(metadata) <= 96000
        and (succeeded_at >= '0001-01-01 00:00:00+00' and succeeded_at < '10000-01-01 00:00:00+00')
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
        pg_catalog.octet_length(name) between 1 and 800
        and pg_catalog.octet_length(payload) <= 1048576
        and priority >= -32767
        and attempts between 0 and 1073741823
        and crashes between 0 and 1073741823
        and interruptions between 0 and 1073741823
        and reservations between 0 and 1073741823
        and (created_at >= '0001-01-01 00:00:00+00' and created_at < '10000-01-01 00:00:00+00')
        and (available_at >= '0001-01-01 00:00:00+00' and available_at < '10000-01-01 00:00:00+00')
        and (reserved_at >= '0001-01-01 00:00:00+00' and reserved_at < '10000-01-01 00:00:00+00')
        and pg_catalog.octet_length(unique_key) between 1 and 836
        and pg_catalog.octet_length(errors) <= 988160
        and pg_catalog.octet_length(occurrence) <= 65536
        and pg_catalog.octet_length(metadata) <= 96000
        and pg_catalog.octet_length(error) <= 32768
        and (failed_at >= '0001-01-01 00:00:00+00' and failed_at < '10000-01-01 00:00:00+00')
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

-- These rows hold nothing that would be missed: an owner whose row is gone releases its jobs.
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

-- Not validated here, because that reads the tables once more: see `bgjobs migrate validate`. From
-- here to the end of the transaction others can neither read nor write these tables, which is why
-- all that takes long and could go before it has gone before it. `jobs` is the first, as it is for
-- those that end a job: they hold it before they take another table.
alter table {jobs} add constraint jobs_limits check (
    pg_catalog.octet_length(name) between 1 and 800
    and pg_catalog.octet_length(payload) <= 1048576
    and priority >= -32767
    and attempts between 0 and 1073741823
    and crashes between 0 and 1073741823
    and interruptions between 0 and 1073741823
    and reservations between 0 and 1073741823
    and created_at >= '0001-01-01 00:00:00+00' and created_at < '10000-01-01 00:00:00+00'
    and available_at >= '0001-01-01 00:00:00+00' and available_at < '10000-01-01 00:00:00+00'
    and reserved_at >= '0001-01-01 00:00:00+00' and reserved_at < '10000-01-01 00:00:00+00'
    and pg_catalog.octet_length(unique_key) between 1 and 836
    and pg_catalog.octet_length(errors) <= 988160
    and pg_catalog.octet_length(occurrence) <= 65536
    and pg_catalog.octet_length(metadata) <= 96000
) not valid;

alter table {jobs_succeeded} add constraint jobs_succeeded_limits check (
    pg_catalog.octet_length(name) between 1 and 800
    and pg_catalog.octet_length(payload) <= 1048576
    and priority >= -32767
    and attempts between 0 and 1073741823
    and crashes between 0 and 1073741823
    and interruptions between 0 and 1073741823
    and reservations between 0 and 1073741823
    and created_at >= '0001-01-01 00:00:00+00' and created_at < '10000-01-01 00:00:00+00'
    and available_at >= '0001-01-01 00:00:00+00' and available_at < '10000-01-01 00:00:00+00'
    and reserved_at >= '0001-01-01 00:00:00+00' and reserved_at < '10000-01-01 00:00:00+00'
    and pg_catalog.octet_length(unique_key) between 1 and 836
    and pg_catalog.octet_length(errors) <= 988160
    and pg_catalog.octet_length(occurrence) <= 65536
    and pg_catalog.octet_length(metadata) <= 96000
    and succeeded_at >= '0001-01-01 00:00:00+00' and succeeded_at < '10000-01-01 00:00:00+00'
) not valid;

alter table {jobs_failed} add constraint jobs_failed_limits check (
    pg_catalog.octet_length(name) between 1 and 800
    and pg_catalog.octet_length(payload) <= 1048576
    and priority >= -32767
    and attempts between 0 and 1073741823
    and crashes between 0 and 1073741823
    and interruptions between 0 and 1073741823
    and reservations between 0 and 1073741823
    and created_at >= '0001-01-01 00:00:00+00' and created_at < '10000-01-01 00:00:00+00'
    and available_at >= '0001-01-01 00:00:00+00' and available_at < '10000-01-01 00:00:00+00'
    and reserved_at >= '0001-01-01 00:00:00+00' and reserved_at < '10000-01-01 00:00:00+00'
    and pg_catalog.octet_length(unique_key) between 1 and 836
    and pg_catalog.octet_length(errors) <= 988160
    and pg_catalog.octet_length(occurrence) <= 65536
    and pg_catalog.octet_length(metadata) <= 96000
    and pg_catalog.octet_length(error) <= 32768
    and failed_at >= '0001-01-01 00:00:00+00' and failed_at < '10000-01-01 00:00:00+00'
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

-- The rows of schedules, which are few among many jobs: one for each scheduled job. Not before the
-- constraints: a reservation that waited for the end of the index would hold a lock for which the
-- constraint waits in turn, and the server would end one of the two. It reads the table once.
create index jobs_occurrences on {jobs} (id) where occurrence is not null;
