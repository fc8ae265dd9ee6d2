-- How runs ended and how long they took: totals of each start of a queue, worker and minute. After a day,
-- the totals of all owners are added up for each hour; such a row has an owner that is no queue.
-- `duration_0` counts runs within the first of bgjobs' bounds of durations, and the last column those that
-- took longer than all bounds.
create table {activity} (
    seconds integer not null,
    at timestamptz not null,
    name text not null,
    owner uuid not null,
    succeeded bigint not null,
    failed bigint not null,
    retried bigint not null,
    cancelled bigint not null,
    duration_0 bigint not null,
    duration_1 bigint not null,
    duration_2 bigint not null,
    duration_3 bigint not null,
    duration_4 bigint not null,
    duration_5 bigint not null,
    duration_6 bigint not null,
    duration_7 bigint not null,
    duration_8 bigint not null,
    duration_9 bigint not null,
    duration_10 bigint not null,
    duration_11 bigint not null,
    duration_12 bigint not null,
    duration_13 bigint not null,
    duration_14 bigint not null,
    duration_15 bigint not null,
    duration_16 bigint not null,
    primary key (seconds, at, name, owner),
    constraint activity_limits check (
        seconds in (60, 3600) and name <> '' and pg_catalog.octet_length(name) <= 800
    )
);

-- The processes that run queues, each with its last report.
create table {processes} (
    id uuid primary key,
    node text not null,
    version text not null,
    python text not null,
    started_at timestamptz not null,
    seen_at timestamptz not null,
    loop_lag bigint not null,
    constraint processes_limits check (
        pg_catalog.octet_length(node) <= 1024
        and pg_catalog.octet_length(version) <= 100
        and pg_catalog.octet_length(python) <= 100
        and loop_lag >= 0
    )
);

-- What operators did. `changed` is null until the action has ended.
create table {audit} (
    id uuid primary key,
    at timestamptz not null,
    author text,
    action text not null,
    subject text not null,
    changed bigint,
    constraint audit_limits check (
        pg_catalog.octet_length(author) <= 800
        and action <> '' and pg_catalog.octet_length(action) <= 100
        and pg_catalog.octet_length(subject) <= 8192
        and changed >= 0
    )
);

create index audit_at on {audit} (at);
