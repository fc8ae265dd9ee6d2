-- Metadata of a job, as JSON text; null when there is none.
alter table {jobs} add column metadata text;

alter table {jobs_succeeded} add column metadata text;

alter table {jobs_failed} add column metadata text;

-- Running jobs that an operator wants to be cancelled; their owners read these with a heartbeat.
create table {cancellations} (
    job_id text not null primary key,
    reason text not null,
    asked_at integer not null
) strict, without rowid;

create table {paused_queues} (
    name text not null primary key,
    paused_at integer not null
) strict, without rowid;

-- When jobs of workers with a rate limit were reserved, kept for the period of the limit.
create table {starts} (
    name text not null,
    started_at integer not null
) strict;

create index {starts_by_name} on {starts} (name, started_at);

create index {jobs_succeeded_by_name} on {jobs_succeeded} (name, id);

create index {jobs_failed_by_name} on {jobs_failed} (name, id);

-- The words of the first line of each error. The numbers are a column, because VACUUM may change
-- the rowids of a table whose primary key is text (https://sqlite.org/lang_vacuum.html).
create table {failures} (
    number integer not null primary key,
    job_id text not null,
    is_indexed integer not null default 0,
    is_gone integer not null default 0
) strict;

create index {failures_by_job} on {failures} (job_id);

create index {failures_to_index} on {failures} (is_gone, number)
where is_gone or not is_indexed;

create virtual table {failure_words} using fts5 (
    summary, tokenize = 'unicode61 remove_diacritics 0'
);

insert into {failures} (job_id, is_indexed) select id, 1 from {jobs_failed} order by failed_at, id;

insert into {failure_words} (rowid, summary)
select
    noted.number,
    substr(job.error, 1, instr(substr(job.error, 1, 200) || char(10), char(10)) - 1)
from {failures} as noted join {jobs_failed} as job on job.id = noted.job_id;

-- Connections of bgjobs do not trust the schema, so a trigger may not write to a virtual table
-- (https://sqlite.org/pragma.html#pragma_trusted_schema). The triggers note the changes here, and
-- settle.sql brings them into the index in the same transaction.
create trigger {failed_job_added} after insert on {jobs_failed} begin
    insert into {failures} (job_id) values (new.id); end;

create trigger {failed_job_deleted} after delete on {jobs_failed} begin
    update {failures} set is_gone = 1 where job_id = old.id; end;
