create table {migrations} (
    version integer not null primary key,
    name text not null,
    applied_at integer not null
) strict;

create table {owners} (
    id text not null primary key,
    name text not null,
    node text not null,
    opened_at integer not null,
    lease_expires_at integer not null
) strict, without rowid;

create table {jobs} (
    id text not null primary key check (length(id) = 36),
    name text not null check (name <> ''),
    priority integer not null check (priority between -32767 and 32767),
    attempts integer not null default 0 check (attempts >= 0),
    crashes integer not null default 0 check (crashes >= 0),
    interruptions integer not null default 0 check (interruptions >= 0),
    reservations integer not null default 0 check (reservations >= 0),
    created_at integer not null,
    available_at integer not null,
    reserved_at integer,
    reserved_by text check (length(reserved_by) = 36),
    unique_key text check (unique_key <> ''),
    payload text not null,
    errors text not null default '[]',
    check ((reserved_by is null) = (reserved_at is null)),
    check (reserved_by is null or reservations > 0)
) strict;

create unique index {jobs_unique} on {jobs} (name, unique_key) where unique_key is not null;

create index {jobs_ready} on {jobs} (name, priority, available_at, id) where reserved_by is null;

create index {jobs_reserved} on {jobs} (reserved_by, id) where reserved_by is not null;

create table {jobs_succeeded} (
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
    succeeded_at integer not null,
    payload text not null,
    errors text not null
) strict;

create index {jobs_succeeded_at} on {jobs_succeeded} (succeeded_at);

create table {jobs_failed} (
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
    failed_at integer not null,
    error text not null,
    payload text not null,
    errors text not null
) strict;

create index {jobs_failed_at} on {jobs_failed} (failed_at);
