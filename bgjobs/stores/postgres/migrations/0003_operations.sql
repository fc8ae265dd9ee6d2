-- Metadata of a job, as JSON text; null if there is none.
alter table {jobs} add column metadata text;

alter table {jobs_succeeded} add column metadata text;

alter table {jobs_failed} add column metadata text;

-- Running jobs that are to be cancelled. Their owner reads this table.
create table {cancellations} (
    job_id uuid primary key,
    reason text not null,
    asked_at timestamptz not null
);

create table {paused_queues} (
    name text primary key,
    paused_at timestamptz not null
);

-- When jobs of workers with a rate limit were reserved, for the period of the limit.
create table {starts} (
    name text not null,
    started_at timestamptz not null
);

create index starts_by_name on {starts} (name, started_at);

create index jobs_succeeded_by_name on {jobs_succeeded} (name, id);

create index jobs_failed_by_name on {jobs_failed} (name, id);

-- The words of each error's first line. Without the replacement, text with dots and slashes would be one
-- word.
create index jobs_failed_words on {jobs_failed} using gin (
    pg_catalog.to_tsvector(
        'pg_catalog.simple'::pg_catalog.regconfig,
        pg_catalog.regexp_replace(
            pg_catalog.split_part(pg_catalog.substr(error, 1, 200), pg_catalog.chr(10), 1),
            '[^[:alnum:]]+', ' ', 'g'
        )
    )
);
