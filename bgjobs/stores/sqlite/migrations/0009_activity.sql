-- How runs ended and how long they took: totals of each start of a queue, worker and minute. After a day,
-- the totals of all owners are added up for each hour; such a row has an owner that is no queue.
-- `duration_0` counts runs within the first of bgjobs' bounds of durations, and the last column those that
-- took longer than all bounds.
create table {activity} (
    seconds integer not null check (seconds in (60, 3600)),
    at integer not null,
    name text not null check (length(cast(name as blob)) between 1 and 800),
    owner text not null,
    succeeded integer not null,
    failed integer not null,
    retried integer not null,
    cancelled integer not null,
    duration_0 integer not null,
    duration_1 integer not null,
    duration_2 integer not null,
    duration_3 integer not null,
    duration_4 integer not null,
    duration_5 integer not null,
    duration_6 integer not null,
    duration_7 integer not null,
    duration_8 integer not null,
    duration_9 integer not null,
    duration_10 integer not null,
    duration_11 integer not null,
    duration_12 integer not null,
    duration_13 integer not null,
    duration_14 integer not null,
    duration_15 integer not null,
    duration_16 integer not null,
    primary key (seconds, at, name, owner)
) strict, without rowid;

-- The processes that run queues, each with its last report.
create table {processes} (
    id text primary key not null,
    node text not null check (length(cast(node as blob)) <= 1024),
    version text not null check (length(cast(version as blob)) <= 100),
    python text not null check (length(cast(python as blob)) <= 100),
    started_at integer not null,
    seen_at integer not null,
    loop_lag integer not null check (loop_lag >= 0)
) strict, without rowid;

-- What operators did. `changed` is null until the action has ended.
create table {audit} (
    id text primary key not null,
    at integer not null,
    author text check (length(cast(author as blob)) <= 800),
    action text not null check (length(cast(action as blob)) between 1 and 100),
    subject text not null check (length(cast(subject as blob)) <= 8192),
    changed integer check (changed >= 0)
) strict, without rowid;

create index {audit_at} on {audit} (at);
