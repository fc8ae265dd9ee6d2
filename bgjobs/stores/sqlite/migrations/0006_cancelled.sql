-- Cancelled jobs are moved from the failed ones to a table of their own. This migration is one write
-- transaction: other writers wait until it has ended, readers do not. It reads the table of failed jobs
-- once, and writes two rows and the index of words for each cancelled job.
-- With a million rows in each table, of which 100,000 are cancelled jobs, it takes about 12 seconds of
-- processor time, most of them for the cancelled jobs. Writers that wait longer than their busy timeout
-- try again.
-- Processes of the previous version can go on meanwhile and afterwards. They store cancelled jobs as
-- failed, and neither read nor keep the new columns.
-- New columns are the last ones and null in existing rows, so no row is rewritten
-- (https://sqlite.org/lang_altertable.html).

-- Reservations of a job that ended without success, and ends before a retry, as JSON text; null when
-- there are none.
alter table {jobs} add column history text;

alter table {jobs_succeeded} add column history text;

alter table {jobs_failed} add column history text;

alter table {jobs_unreadable} add column history;

alter table {jobs_unreadable} add column cancel_reason;

alter table {jobs_unreadable} add column cancelled_by;

alter table {jobs_unreadable} add column cancelled_at;

alter table {cancellations} add column cancelled_by text constraint cancellations_cancelled_by check (
    length(cast(cancelled_by as blob)) <= 800
);

create table {jobs_cancelled} (
    id text not null primary key,
    name text not null,
    priority integer not null,
    attempts integer not null,
    crashes integer not null,
    interruptions integer not null,
    reservations integer not null,
    created_at integer not null,
    available_at integer not null,
    reserved_at integer,
    reserved_by text,
    unique_key text,
    cancelled_at integer not null,
    cancelled_by text,
    cancel_reason text not null,
    payload text not null,
    errors text not null,
    occurrence text,
    metadata text,
    history text,
    constraint jobs_cancelled_limits check (
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
        and length(cast(history as blob)) <= 1228800
        and length(cast(cancel_reason as blob)) <= 32768
        and length(cast(cancelled_by as blob)) <= 800
        and cancelled_at between -62135596800000000 and 253402300799999999
    )
) strict;

create index {jobs_cancelled_by_name} on {jobs_cancelled} (name, id);

create index {jobs_cancelled_at} on {jobs_cancelled} (cancelled_at);

-- Owners whose lease has ended, as long as a job may refer to them.
create table {past_owners} (
    id text not null primary key,
    name text not null,
    node text not null,
    opened_at integer not null,
    closed_at integer not null,
    constraint past_owners_limits check (
        length(cast(name as blob)) <= 800
        and length(cast(node as blob)) <= 4000
        and opened_at between -62135596800000000 and 253402300799999999
        and closed_at between -62135596800000000 and 253402300799999999
    )
) strict, without rowid;

create index {past_owners_by_name} on {past_owners} (name);

create index {past_owners_closed_at} on {past_owners} (closed_at);

-- The error of a cancelled job was the reason after this prefix. The same text as the error of the last
-- attempt is that of an exception whose class has this name.
insert into {jobs_cancelled} (
    id, name, priority, attempts, crashes, interruptions, reservations, created_at, available_at,
    reserved_at, reserved_by, unique_key, cancelled_at, cancel_reason, payload, errors, occurrence,
    metadata
)
select
    id, name, priority, attempts, crashes, interruptions, reservations, created_at, available_at,
    reserved_at, reserved_by, unique_key, failed_at, substr(error, 12), payload, errors, occurrence,
    metadata
from {jobs_failed}
where substr(error, 1, 11) = 'Cancelled: '
    and error is not case when json_valid(errors) then json_extract(errors, '$[#-1][2]') end;

-- A trigger notes the rows whose words are to be removed from the index of words, which is done here as
-- in settle.sql.
delete from {jobs_failed} where id in (select id from {jobs_cancelled});

delete from {failure_words} where rowid in (
    select number from {failures} indexed by {failures_to_index} where is_gone
);

delete from {failures} where number in (
    select number from {failures} indexed by {failures_to_index} where is_gone
);
