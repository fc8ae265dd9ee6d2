-- `levels` leaps through the ready index from one (name, priority) to the next, so the cost
-- follows what is asked for and not what is stored. `shares` looks, without a lock, how many of
-- the best rows each level holds; `picked` then locks that many of each level and no more,
-- passing over what other processes are locking at this moment.
with recursive levels (name, priority) as (
    select
        asked.name,
        (
            select min(job.priority) from {jobs} as job
            where job.name = asked.name and job.reserved_by is null
        )
    from unnest(%(names)s::text[]) as asked (name)
    where exists (
        select from {owners}
        where id = %(owner)s
            and lease_expires_at > coalesce(%(now)s::timestamptz, now())
    )
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
), shares as (
    select best.name, best.priority, count(*) as share
    from (
        select level.name, level.priority
        -- Sorted levels let the server stop at the priority that fills the limit.
        from (
            select name, priority from levels where priority is not null order by priority
        ) as level cross join lateral (
            select job.id, job.available_at from {jobs} as job
            where job.name = level.name
                and job.priority = level.priority
                and job.reserved_by is null
                and job.available_at <= coalesce(%(now)s::timestamptz, now())
            order by job.available_at, job.id
            limit %(limit)s
        ) as head
        order by level.priority, head.available_at, head.id
        limit %(limit)s
    ) as best
    group by best.name, best.priority
), picked as (
    select taken.id
    from shares as level cross join lateral (
        -- Two limits: the planner knows the inner one and so stays with the index.
        select head.id from (
            select job.id, job.available_at from {jobs} as job
            where job.name = level.name
                and job.priority = level.priority
                and job.reserved_by is null
                and job.available_at <= coalesce(%(now)s::timestamptz, now())
            order by job.available_at, job.id
            limit %(limit)s
            for update skip locked
        ) as head
        limit level.share
    ) as taken
)
update {jobs} as job set
    reserved_at = coalesce(%(now)s::timestamptz, now()),
    reserved_by = %(owner)s,
    reservations = job.reservations + 1
where job.id = any(array(select picked.id from picked))
returning
    job.id, job.name, job.payload, job.priority, job.attempts,
    job.crashes, job.interruptions, job.reservations, job.created_at, job.available_at,
    job.reserved_at, job.reserved_by, job.unique_key, job.errors;
