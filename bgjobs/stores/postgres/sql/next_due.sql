-- The default priority, and of the others, as in reserve.sql, those that had to wait by their
-- time and those that had not. Of these the first one is due already, unless the clock was set
-- back: only then it leaps from one priority to the next.
with recursive prompt (name, priority, available_at) as (
    select asked.name, job.priority, job.available_at
    from pg_catalog.unnest(%(names)s::text[]) as asked (name) cross join lateral (
        select job.priority, job.available_at from {jobs} as job
        where job.name collate "C" = asked.name
            and job.reserved_by is null
            and job.priority <> 0
            and job.available_at <= job.created_at
            and (%(planned)s or job.occurrence is null)
        order by job.priority, job.available_at, job.id
        limit 1
    ) as job
    union all
    select level.name, job.priority, job.available_at
    from prompt as level cross join lateral (
        select job.priority, job.available_at from {jobs} as job
        where job.name collate "C" = level.name
            and job.priority > level.priority
            and job.reserved_by is null
            and job.priority <> 0
            and job.available_at <= job.created_at
            and (%(planned)s or job.occurrence is null)
        order by job.priority, job.available_at, job.id
        limit 1
    ) as job
    where level.available_at > coalesce(%(now)s::timestamptz, now())
)
-- Within what a datetime can say: before PostgreSQL 17 nothing is subtracted from infinity.
select
    min(least(
        greatest(head.available_at, '0001-01-01 00:00:00+00'), '9999-12-31 23:59:59.999999+00'
    )) - coalesce(%(now)s::timestamptz, now())
from (
    select job.available_at
    from pg_catalog.unnest(%(names)s::text[]) as asked (name) cross join lateral (
        select job.available_at from {jobs} as job
        where job.name = asked.name
            and job.priority = 0
            and job.reserved_by is null
            and (%(planned)s or job.occurrence is null)
        order by job.available_at, job.id
        limit 1
    ) as job
    union all
    select job.available_at
    from pg_catalog.unnest(%(names)s::text[]) as asked (name) cross join lateral (
        select job.available_at from {jobs} as job
        where job.name collate "C" = asked.name
            and job.reserved_by is null
            and job.priority <> 0
            and job.available_at > job.created_at
            and (%(planned)s or job.occurrence is null)
        order by job.available_at
        limit 1
    ) as job
    union all
    select available_at from prompt
) as head;
