-- name: count
-- Waiting, delayed, running, succeeded, failed and cancelled jobs, each count up to a limit.
--
-- `names` and `levels` read one row of the index `jobs_ready` for each name and priority (a loose index
-- scan, https://wiki.postgresql.org/wiki/Loose_indexscan), and due and delayed jobs are counted within
-- each. Each "order by" keeps the planner on an index, which it leaves at the limit: it assumes
-- that every name is frequent, and would otherwise look for the first few in the whole table.
with recursive names (name) as (
    select asked.name from pg_catalog.unnest(%(names)s::text[]) as asked (name)
    union all
    select (select pg_catalog.min(job.name) from {jobs} as job where job.reserved_by is null)
    where %(names)s::text[] is null
    union all
    select (
        select pg_catalog.min(job.name) from {jobs} as job
        where job.name > last.name and job.reserved_by is null
    )
    from names as last where %(names)s::text[] is null and last.name is not null
), levels (name, priority) as (
    select
        asked.name,
        (
            select pg_catalog.min(job.priority) from {jobs} as job
            where job.name = asked.name and job.reserved_by is null
        )
    from names as asked where asked.name is not null
    union all
    select
        level.name,
        (
            select pg_catalog.min(job.priority) from {jobs} as job
            where job.name = level.name
                and job.priority > level.priority
                and job.reserved_by is null
        )
    from levels as level where level.priority is not null
)
select
    (
        select count(*) from (
            select from levels as level cross join lateral (
                select from {jobs} as job
                where job.name = level.name
                    and job.priority = level.priority
                    and job.reserved_by is null
                    and job.available_at <= coalesce(%(now)s::timestamptz, now())
                order by job.available_at, job.id
                limit %(at_most)s
            ) as due
            limit %(at_most)s
        ) as counted
    ),
    (
        select count(*) from (
            select from levels as level cross join lateral (
                select from {jobs} as job
                where job.name = level.name
                    and job.priority = level.priority
                    and job.reserved_by is null
                    and job.available_at > coalesce(%(now)s::timestamptz, now())
                order by job.available_at, job.id
                limit %(at_most)s
            ) as delayed
            limit %(at_most)s
        ) as counted
    ),
    (
        select count(*) from (
            select from {jobs}
            where reserved_by is not null
                and (%(names)s::text[] is null or name = any(%(names)s))
            order by reserved_by, id
            limit %(at_most)s
        ) as counted
    ),
    (
        select count(*) from (
            select from {jobs_succeeded} where %(names)s::text[] is null
            union all
            select from pg_catalog.unnest(%(names)s::text[]) as asked (name) cross join lateral (
                select from {jobs_succeeded} as job where job.name = asked.name
                order by job.id
                limit %(at_most)s
            ) as named
            limit %(at_most)s
        ) as counted
    ),
    (
        select count(*) from (
            select from {jobs_failed} where %(names)s::text[] is null
            union all
            select from pg_catalog.unnest(%(names)s::text[]) as asked (name) cross join lateral (
                select from {jobs_failed} as job where job.name = asked.name
                order by job.id
                limit %(at_most)s
            ) as named
            limit %(at_most)s
        ) as counted
    ),
    (
        select count(*) from (
            select from {jobs_cancelled} where %(names)s::text[] is null
            union all
            select from pg_catalog.unnest(%(names)s::text[]) as asked (name) cross join lateral (
                select from {jobs_cancelled} as job where job.name = asked.name
                order by job.id
                limit %(at_most)s
            ) as named
            limit %(at_most)s
        ) as counted
    );


-- name: count_failed
select count(*) from (
    select from {jobs_failed} where name = %(name)s limit %(at_most)s
) as counted;


-- name: get_waiting_names
-- One row of the index `jobs_ready` for each name, as in `count`.
with recursive names (name) as (
    select (select pg_catalog.min(job.name) from {jobs} as job where job.reserved_by is null)
    union all
    select (
        select pg_catalog.min(job.name) from {jobs} as job
        where job.name > last.name and job.reserved_by is null
    )
    from names as last where last.name is not null
)
select name from names where name is not null limit %(limit)s;
