-- Rows that cannot be read as jobs, because another program or version wrote them, or a person.
-- They are kept here until they are deleted, or can be read and are put back. The columns are those
-- of the jobs, without types, so that they take any value.
create table {jobs_unreadable} (
    id text not null primary key,
    origin text not null,
    reason text not null,
    found_at integer not null,
    job_id,
    name, payload, priority, attempts, crashes, interruptions, reservations, created_at,
    available_at, reserved_at, reserved_by, unique_key, errors, occurrence, metadata,
    succeeded_at, error, failed_at
);

-- Each table is read once, while other writers wait. Rows beyond the bounds of the constraints below
-- are set apart, so that no constraint refuses a change of an old row.
insert into {jobs_unreadable} (
    id, origin, reason, found_at, job_id,
    name, payload, priority, attempts, crashes, interruptions, reservations, created_at,
    available_at, reserved_at, reserved_by, unique_key, errors, occurrence, metadata
)
select
    lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2)
        || '-8' || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))),
    'jobs', 'a column is longer, larger or earlier than any that bgjobs writes',
    cast((julianday('now') - 2440587.5) * 86400000000 as integer), id,
    name, payload, priority, attempts, crashes, interruptions, reservations, created_at,
    available_at, reserved_at, reserved_by, unique_key, errors, occurrence, metadata
from {jobs}
where not (
    length(cast(name as blob)) between 1 and 800
    and length(cast(payload as blob)) <= 1048576
    and priority between -32767 and 32767
    and attempts between 0 and 1073741823
    and crashes between 0 and 1073741823
    and interruptions between 0 and 1073741823
    and reservations between 0 and 1073741823
    and created_at between -62135596800000000 and 253402300799999999
    and available_at between -62135596800000000 and 253402300799999999
    and reserved_at between -62135596800000000 and 253402300799999999
    and length(cast(unique_key as blob)) between 1 and 836
    and length(cast(errors as blob)) <= 988160
    and length(cast(occurrence as blob)) <= 65536
    and length(cast(metadata as blob)) <= 96000
);

delete from {jobs}
where not (
    length(cast(name as blob)) between 1 and 800
    and length(cast(payload as blob)) <= 1048576
    and priority between -32767 and 32767
    and attempts between 0 and 1073741823
    and crashes between 0 and 1073741823
    and interruptions between 0 and 1073741823
    and reservations between 0 and 1073741823
    and created_at between -62135596800000000 and 253402300799999999
    and available_at between -62135596800000000 and 253402300799999999
    and reserved_at between -62135596800000000 and 253402300799999999
    and length(cast(unique_key as blob)) between 1 and 836
    and length(cast(errors as blob)) <= 988160
    and length(cast(occurrence as blob)) <= 65536
    and length(cast(metadata as blob)) <= 96000
);

insert into {jobs_unreadable} (
    id, origin, reason, found_at, job_id,
    name, payload, priority, attempts, crashes, interruptions, reservations, created_at,
    available_at, reserved_at, reserved_by, unique_key, errors, occurrence, metadata,
    succeeded_at
)
select
    lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2)
        || '-8' || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))),
    'jobs_succeeded', 'a column is longer, larger or earlier than any that bgjobs writes',
    cast((julianday('now') - 2440587.5) * 86400000000 as integer), id,
    name, payload, priority, attempts, crashes, interruptions, reservations, created_at,
    available_at, reserved_at, reserved_by, unique_key, errors, occurrence, metadata,
    succeeded_at
from {jobs_succeeded}
where not (
    length(cast(name as blob)) between 1 and 800
    and length(cast(payload as blob)) <= 1048576
    and priority between -32767 and 32767
    and attempts between 0 and 1073741823
    and crashes between 0 and 1073741823
    and interruptions between 0 and 1073741823
    and reservations between 0 and 1073741823
    and created_at between -62135596800000000 and 253402300799999999
    and available_at between -62135596800000000 and 253402300799999999
    and reserved_at between -62135596800000000 and 253402300799999999
    and length(cast(unique_key as blob)) between 1 and 836
    and length(cast(errors as blob)) <= 988160
    and length(cast(occurrence as blob)) <= 65536
    and length(cast(metadata as blob)) <= 96000
    and succeeded_at between -62135596800000000 and 253402300799999999
);

delete from {jobs_succeeded}
where not (
    length(cast(name as blob)) between 1 and 800
    and length(cast(payload as blob)) <= 1048576
    and priority between -32767 and 32767
    and attempts between 0 and 1073741823
    and crashes between 0 and 1073741823
    and interruptions between 0 and 1073741823
    and reservations between 0 and 1073741823
    and created_at between -62135596800000000 and 253402300799999999
    and available_at between -62135596800000000 and 253402300799999999
    and reserved_at between -62135596800000000 and 253402300799999999
    and length(cast(unique_key as blob)) between 1 and 836
    and length(cast(errors as blob)) <= 988160
    and length(cast(occurrence as blob)) <= 65536
    and length(cast(metadata as blob)) <= 96000
    and succeeded_at between -62135596800000000 and 253402300799999999
);

insert into {jobs_unreadable} (
    id, origin, reason, found_at, job_id,
    name, payload, priority, attempts, crashes, interruptions, reservations, created_at,
    available_at, reserved_at, reserved_by, unique_key, errors, occurrence, metadata,
    error, failed_at
)
select
    lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2)
        || '-8' || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))),
    'jobs_failed', 'a column is longer, larger or earlier than any that bgjobs writes',
    cast((julianday('now') - 2440587.5) * 86400000000 as integer), id,
    name, payload, priority, attempts, crashes, interruptions, reservations, created_at,
    available_at, reserved_at, reserved_by, unique_key, errors, occurrence, metadata,
    error, failed_at
from {jobs_failed}
where not (
    length(cast(name as blob)) between 1 and 800
    and length(cast(payload as blob)) <= 1048576
    and priority between -32767 and 32767
    and attempts between 0 and 1073741823
    and crashes between 0 and 1073741823
    and interruptions between 0 and 1073741823
    and reservations between 0 and 1073741823
    and created_at between -62135596800000000 and 253402300799999999
    and available_at between -62135596800000000 and 253402300799999999
    and reserved_at between -62135596800000000 and 253402300799999999
    and length(cast(unique_key as blob)) between 1 and 836
    and length(cast(errors as blob)) <= 988160
    and length(cast(occurrence as blob)) <= 65536
    and length(cast(metadata as blob)) <= 96000
    and length(cast(error as blob)) <= 32768
    and failed_at between -62135596800000000 and 253402300799999999
);

delete from {jobs_failed}
where not (
    length(cast(name as blob)) between 1 and 800
    and length(cast(payload as blob)) <= 1048576
    and priority between -32767 and 32767
    and attempts between 0 and 1073741823
    and crashes between 0 and 1073741823
    and interruptions between 0 and 1073741823
    and reservations between 0 and 1073741823
    and created_at between -62135596800000000 and 253402300799999999
    and available_at between -62135596800000000 and 253402300799999999
    and reserved_at between -62135596800000000 and 253402300799999999
    and length(cast(unique_key as blob)) between 1 and 836
    and length(cast(errors as blob)) <= 988160
    and length(cast(occurrence as blob)) <= 65536
    and length(cast(metadata as blob)) <= 96000
    and length(cast(error as blob)) <= 32768
    and failed_at between -62135596800000000 and 253402300799999999
);

-- These rows can be deleted without a loss: the jobs of an owner without a row are released.
delete from {owners}
where not (
    length(cast(name as blob)) <= 800
    and length(cast(node as blob)) <= 4000
    and opened_at between -62135596800000000 and 253402300799999999
    and lease_expires_at between -62135596800000000 and 284959296000000000
);

delete from {cancellations}
where not (
    length(job_id) = 36
    and length(cast(reason as blob)) <= 32768
    and asked_at between -62135596800000000 and 253402300799999999
);

delete from {paused_queues}
where not (
    length(cast(name as blob)) <= 800
    and paused_at between -62135596800000000 and 253402300799999999
);

delete from {starts}
where not (
    length(cast(name as blob)) <= 800
    and started_at between -62135596800000000 and 253402300799999999
);

-- SQLite can add a constraint only together with a column (https://sqlite.org/lang_altertable.html).
-- The column stays null, and no row is rewritten; each statement reads its table once. Triggers in
-- place of the constraints would cost each job several times as much.
alter table {jobs} add column limits integer constraint jobs_limits check (
    length(cast(name as blob)) between 1 and 800
    and length(cast(payload as blob)) <= 1048576
    and priority between -32767 and 32767
    and attempts between 0 and 1073741823
    and crashes between 0 and 1073741823
    and interruptions between 0 and 1073741823
    and reservations between 0 and 1073741823
    and created_at between -62135596800000000 and 253402300799999999
    and available_at between -62135596800000000 and 253402300799999999
    and reserved_at between -62135596800000000 and 253402300799999999
    and length(cast(unique_key as blob)) between 1 and 836
    and length(cast(errors as blob)) <= 988160
    and length(cast(occurrence as blob)) <= 65536
    and length(cast(metadata as blob)) <= 96000
);

alter table {jobs_succeeded} add column limits integer constraint jobs_succeeded_limits check (
    length(cast(name as blob)) between 1 and 800
    and length(cast(payload as blob)) <= 1048576
    and priority between -32767 and 32767
    and attempts between 0 and 1073741823
    and crashes between 0 and 1073741823
    and interruptions between 0 and 1073741823
    and reservations between 0 and 1073741823
    and created_at between -62135596800000000 and 253402300799999999
    and available_at between -62135596800000000 and 253402300799999999
    and reserved_at between -62135596800000000 and 253402300799999999
    and length(cast(unique_key as blob)) between 1 and 836
    and length(cast(errors as blob)) <= 988160
    and length(cast(occurrence as blob)) <= 65536
    and length(cast(metadata as blob)) <= 96000
    and succeeded_at between -62135596800000000 and 253402300799999999
);

alter table {jobs_failed} add column limits integer constraint jobs_failed_limits check (
    length(cast(name as blob)) between 1 and 800
    and length(cast(payload as blob)) <= 1048576
    and priority between -32767 and 32767
    and attempts between 0 and 1073741823
    and crashes between 0 and 1073741823
    and interruptions between 0 and 1073741823
    and reservations between 0 and 1073741823
    and created_at between -62135596800000000 and 253402300799999999
    and available_at between -62135596800000000 and 253402300799999999
    and reserved_at between -62135596800000000 and 253402300799999999
    and length(cast(unique_key as blob)) between 1 and 836
    and length(cast(errors as blob)) <= 988160
    and length(cast(occurrence as blob)) <= 65536
    and length(cast(metadata as blob)) <= 96000
    and length(cast(error as blob)) <= 32768
    and failed_at between -62135596800000000 and 253402300799999999
);

alter table {owners} add column limits integer constraint owners_limits check (
    length(cast(name as blob)) <= 800
    and length(cast(node as blob)) <= 4000
    and opened_at between -62135596800000000 and 253402300799999999
    and lease_expires_at between -62135596800000000 and 284959296000000000
);

alter table {cancellations} add column limits integer constraint cancellations_limits check (
    length(job_id) = 36
    and length(cast(reason as blob)) <= 32768
    and asked_at between -62135596800000000 and 253402300799999999
);

alter table {paused_queues} add column limits integer constraint paused_queues_limits check (
    length(cast(name as blob)) <= 800
    and paused_at between -62135596800000000 and 253402300799999999
);

alter table {starts} add column limits integer constraint starts_limits check (
    length(cast(name as blob)) <= 800
    and started_at between -62135596800000000 and 253402300799999999
);

-- An index of the rows of schedules, which are few: one for each scheduled job.
create index {jobs_occurrences} on {jobs} (id) where occurrence is not null;
