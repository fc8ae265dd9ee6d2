-- Rows that are no jobs: written by another program, another version, or by hand. Here they stay
-- until they are deleted, or can be read and are put back. The columns are those of the jobs, and
-- hold whatever stood there.
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

-- Each table is read once, while other writers wait. What is beyond the bounds of the triggers below
-- is set apart, so that none of them refuses a change of an old row.
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

-- Not for each reservation, which changes none of these columns but the number of reservations.
create trigger {jobs_limit_inserts} before insert on {jobs}
when not (
    length(cast(new.name as blob)) between 1 and 800
    and length(cast(new.payload as blob)) <= 1048576
    and new.priority between -32767 and 32767
    and new.attempts between 0 and 1073741823
    and new.crashes between 0 and 1073741823
    and new.interruptions between 0 and 1073741823
    and new.reservations between 0 and 1073741823
    and new.created_at between -62135596800000000 and 253402300799999999
    and new.available_at between -62135596800000000 and 253402300799999999
    and new.reserved_at between -62135596800000000 and 253402300799999999
    and length(cast(new.unique_key as blob)) between 1 and 836
    and length(cast(new.errors as blob)) <= 988160
    and length(cast(new.occurrence as blob)) <= 65536
    and length(cast(new.metadata as blob)) <= 96000
) begin
    select raise(abort, 'a column of a job is longer, larger or earlier than bgjobs writes'); end;

create trigger {jobs_limit_updates} before update of
    name, payload, priority, attempts, crashes, interruptions, created_at, available_at,
    unique_key, errors, occurrence, metadata
on {jobs}
when not (
    length(cast(new.name as blob)) between 1 and 800
    and length(cast(new.payload as blob)) <= 1048576
    and new.priority between -32767 and 32767
    and new.attempts between 0 and 1073741823
    and new.crashes between 0 and 1073741823
    and new.interruptions between 0 and 1073741823
    and new.reservations between 0 and 1073741823
    and new.created_at between -62135596800000000 and 253402300799999999
    and new.available_at between -62135596800000000 and 253402300799999999
    and new.reserved_at between -62135596800000000 and 253402300799999999
    and length(cast(new.unique_key as blob)) between 1 and 836
    and length(cast(new.errors as blob)) <= 988160
    and length(cast(new.occurrence as blob)) <= 65536
    and length(cast(new.metadata as blob)) <= 96000
) begin
    select raise(abort, 'a column of a job is longer, larger or earlier than bgjobs writes'); end;

create trigger {jobs_succeeded_limit_inserts} before insert on {jobs_succeeded}
when not (
    length(cast(new.name as blob)) between 1 and 800
    and length(cast(new.payload as blob)) <= 1048576
    and new.priority between -32767 and 32767
    and new.attempts between 0 and 1073741823
    and new.crashes between 0 and 1073741823
    and new.interruptions between 0 and 1073741823
    and new.reservations between 0 and 1073741823
    and new.created_at between -62135596800000000 and 253402300799999999
    and new.available_at between -62135596800000000 and 253402300799999999
    and new.reserved_at between -62135596800000000 and 253402300799999999
    and length(cast(new.unique_key as blob)) between 1 and 836
    and length(cast(new.errors as blob)) <= 988160
    and length(cast(new.occurrence as blob)) <= 65536
    and length(cast(new.metadata as blob)) <= 96000
    and new.succeeded_at between -62135596800000000 and 253402300799999999
) begin
    select raise(abort, 'a column of a job is longer, larger or earlier than bgjobs writes'); end;

create trigger {jobs_succeeded_limit_updates} before update on {jobs_succeeded}
when not (
    length(cast(new.name as blob)) between 1 and 800
    and length(cast(new.payload as blob)) <= 1048576
    and new.priority between -32767 and 32767
    and new.attempts between 0 and 1073741823
    and new.crashes between 0 and 1073741823
    and new.interruptions between 0 and 1073741823
    and new.reservations between 0 and 1073741823
    and new.created_at between -62135596800000000 and 253402300799999999
    and new.available_at between -62135596800000000 and 253402300799999999
    and new.reserved_at between -62135596800000000 and 253402300799999999
    and length(cast(new.unique_key as blob)) between 1 and 836
    and length(cast(new.errors as blob)) <= 988160
    and length(cast(new.occurrence as blob)) <= 65536
    and length(cast(new.metadata as blob)) <= 96000
    and new.succeeded_at between -62135596800000000 and 253402300799999999
) begin
    select raise(abort, 'a column of a job is longer, larger or earlier than bgjobs writes'); end;

create trigger {jobs_failed_limit_inserts} before insert on {jobs_failed}
when not (
    length(cast(new.name as blob)) between 1 and 800
    and length(cast(new.payload as blob)) <= 1048576
    and new.priority between -32767 and 32767
    and new.attempts between 0 and 1073741823
    and new.crashes between 0 and 1073741823
    and new.interruptions between 0 and 1073741823
    and new.reservations between 0 and 1073741823
    and new.created_at between -62135596800000000 and 253402300799999999
    and new.available_at between -62135596800000000 and 253402300799999999
    and new.reserved_at between -62135596800000000 and 253402300799999999
    and length(cast(new.unique_key as blob)) between 1 and 836
    and length(cast(new.errors as blob)) <= 988160
    and length(cast(new.occurrence as blob)) <= 65536
    and length(cast(new.metadata as blob)) <= 96000
    and length(cast(new.error as blob)) <= 32768
    and new.failed_at between -62135596800000000 and 253402300799999999
) begin
    select raise(abort, 'a column of a job is longer, larger or earlier than bgjobs writes'); end;

create trigger {jobs_failed_limit_updates} before update on {jobs_failed}
when not (
    length(cast(new.name as blob)) between 1 and 800
    and length(cast(new.payload as blob)) <= 1048576
    and new.priority between -32767 and 32767
    and new.attempts between 0 and 1073741823
    and new.crashes between 0 and 1073741823
    and new.interruptions between 0 and 1073741823
    and new.reservations between 0 and 1073741823
    and new.created_at between -62135596800000000 and 253402300799999999
    and new.available_at between -62135596800000000 and 253402300799999999
    and new.reserved_at between -62135596800000000 and 253402300799999999
    and length(cast(new.unique_key as blob)) between 1 and 836
    and length(cast(new.errors as blob)) <= 988160
    and length(cast(new.occurrence as blob)) <= 65536
    and length(cast(new.metadata as blob)) <= 96000
    and length(cast(new.error as blob)) <= 32768
    and new.failed_at between -62135596800000000 and 253402300799999999
) begin
    select raise(abort, 'a column of a job is longer, larger or earlier than bgjobs writes'); end;

-- These rows hold nothing that would be missed: an owner whose row is gone releases its jobs.
delete from {owners}
where not (
    length(cast(name as blob)) <= 800
    and length(cast(node as blob)) <= 4000
    and opened_at between -62135596800000000 and 253402300799999999
    and lease_expires_at between -62135596800000000 and 284959296000000000
);

create trigger {owners_limit_inserts} before insert on {owners}
when not (
    length(cast(new.name as blob)) <= 800
    and length(cast(new.node as blob)) <= 4000
    and new.opened_at between -62135596800000000 and 253402300799999999
    and new.lease_expires_at between -62135596800000000 and 284959296000000000
) begin
    select raise(abort, 'a column is longer, larger or earlier than bgjobs writes'); end;

create trigger {owners_limit_updates} before update on {owners}
when not (
    length(cast(new.name as blob)) <= 800
    and length(cast(new.node as blob)) <= 4000
    and new.opened_at between -62135596800000000 and 253402300799999999
    and new.lease_expires_at between -62135596800000000 and 284959296000000000
) begin
    select raise(abort, 'a column is longer, larger or earlier than bgjobs writes'); end;

delete from {cancellations}
where not (
    length(job_id) = 36
    and length(cast(reason as blob)) <= 32768
    and asked_at between -62135596800000000 and 253402300799999999
);

create trigger {cancellations_limit_inserts} before insert on {cancellations}
when not (
    length(new.job_id) = 36
    and length(cast(new.reason as blob)) <= 32768
    and new.asked_at between -62135596800000000 and 253402300799999999
) begin
    select raise(abort, 'a column is longer, larger or earlier than bgjobs writes'); end;

create trigger {cancellations_limit_updates} before update on {cancellations}
when not (
    length(new.job_id) = 36
    and length(cast(new.reason as blob)) <= 32768
    and new.asked_at between -62135596800000000 and 253402300799999999
) begin
    select raise(abort, 'a column is longer, larger or earlier than bgjobs writes'); end;

delete from {paused_queues}
where not (
    length(cast(name as blob)) <= 800
    and paused_at between -62135596800000000 and 253402300799999999
);

create trigger {paused_queues_limit_inserts} before insert on {paused_queues}
when not (
    length(cast(new.name as blob)) <= 800
    and new.paused_at between -62135596800000000 and 253402300799999999
) begin
    select raise(abort, 'a column is longer, larger or earlier than bgjobs writes'); end;

create trigger {paused_queues_limit_updates} before update on {paused_queues}
when not (
    length(cast(new.name as blob)) <= 800
    and new.paused_at between -62135596800000000 and 253402300799999999
) begin
    select raise(abort, 'a column is longer, larger or earlier than bgjobs writes'); end;

delete from {starts}
where not (
    length(cast(name as blob)) <= 800
    and started_at between -62135596800000000 and 253402300799999999
);

create trigger {starts_limit_inserts} before insert on {starts}
when not (
    length(cast(new.name as blob)) <= 800
    and new.started_at between -62135596800000000 and 253402300799999999
) begin
    select raise(abort, 'a column is longer, larger or earlier than bgjobs writes'); end;

create trigger {starts_limit_updates} before update on {starts}
when not (
    length(cast(new.name as blob)) <= 800
    and new.started_at between -62135596800000000 and 253402300799999999
) begin
    select raise(abort, 'a column is longer, larger or earlier than bgjobs writes'); end;

-- The rows of schedules, which are few among many jobs: one for each scheduled job.
create index {jobs_occurrences} on {jobs} (id) where occurrence is not null;
