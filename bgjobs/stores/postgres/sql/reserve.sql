-- `levels` leaps through the ready index from one (name, priority) to the next and gives the
-- first row of each. `rounds` looks, without a lock, for the best rows of all levels together:
-- each round keeps the best that are known and reads on only in the levels whose last known row
-- is among them, twice as far each time. So the cost follows the rows taken and the names, and
-- not what is stored or one times the other. `picked` then locks as many rows of each level as
-- it has among the best and no more, passing over what other processes are locking at this
-- moment.
with recursive levels (name, priority, available_at, id) as (
    select asked.name, head.priority, head.available_at, head.id
    from unnest(%(names)s::text[]) as asked (name) cross join lateral (
        select job.priority, job.available_at, job.id from {jobs} as job
        where job.name = asked.name and job.reserved_by is null
        order by job.priority, job.available_at, job.id
        limit 1
    ) as head
    where exists (
        select from {owners}
        where id = %(owner)s
            and lease_expires_at > coalesce(%(now)s::timestamptz, now())
    )
    union all
    select level.name, head.priority, head.available_at, head.id
    from levels as level cross join lateral (
        select job.priority, job.available_at, job.id from {jobs} as job
        where job.name = level.name
            and job.priority > level.priority
            and job.reserved_by is null
        order by job.priority, job.available_at, job.id
        limit 1
    ) as head
), rounds (round, name, priority, available_at, id, ahead) as (
    (
        select
            0, name, priority, available_at, id,
            -- Twice an even share, so that one round is mostly enough.
            greatest(1, %(limit)s::bigint / ((count(*) over () + 1) / 2))
        from levels
        where available_at <= coalesce(%(now)s::timestamptz, now())
        order by priority, available_at, id
        limit %(limit)s
    )
    union all
    select last.round + 1, last.name, last.priority, more.available_at, more.id, more.ahead
    from (
        select
            best.*,
            bool_or(best.ahead is not null and best.rank < %(limit)s) over () as unfinished
        from (
            select *, row_number() over (order by priority, available_at, id) as rank
            from rounds
            order by priority, available_at, id
            limit %(limit)s
        ) as best
    ) as last cross join lateral (
        select last.available_at, last.id, null::bigint as ahead
        union all
        select
            run.available_at, run.id,
            -- The level goes on behind this row only if as many were found as were wanted.
            case when row_number() over () = last.ahead then 2 * last.ahead end
        from (
            select next.available_at, next.id
            -- Two limits: the planner knows the inner one and so stays with the index.
            from (
                select job.available_at, job.id from {jobs} as job
                where last.ahead is not null
                    and job.name = last.name
                    and job.priority = last.priority
                    and (job.available_at, job.id) > (last.available_at, last.id)
                    and job.reserved_by is null
                    and job.available_at <= coalesce(%(now)s::timestamptz, now())
                order by job.available_at, job.id
                limit %(limit)s
            ) as next
            limit least(last.ahead, %(limit)s - last.rank)
        ) as run
    ) as more
    where last.unfinished
), shares as (
    select best.name, best.priority, count(*) as share
    from (
        select name, priority from rounds
        where round = (select max(round) from rounds)
        order by priority, available_at, id
        limit %(limit)s
    ) as best
    group by best.name, best.priority
), picked as (
    select taken.id
    from shares as level cross join lateral (
        -- Two limits, as above.
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
