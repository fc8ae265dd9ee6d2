with recursive levels (name, priority) as (
    select
        asked.name,
        (
            select min(job.priority) from {jobs} as job
            where job.name = asked.name and job.reserved_by is null
        )
    from pg_catalog.unnest(%(names)s::text[]) as asked (name)
    union all
    select
        level.name,
        (
            select min(job.priority) from {jobs} as job
            where job.name = level.name
                and job.priority > level.priority
                and job.reserved_by is null
        )
    from levels as level where level.priority is not null
)
select min(head.available_at) - coalesce(%(now)s::timestamptz, now())
from levels as level cross join lateral (
    select job.available_at from {jobs} as job
    where job.name = level.name
        and job.priority = level.priority
        and job.reserved_by is null
        and (%(planned)s or job.occurrence is null)
    order by job.available_at, job.id
    limit 1
) as head;
