-- The jobs of one worker are one sorted run of the ready index. `rounds` looks, without a lock,
-- for the best rows of all runs together: each round keeps the best that are known and reads on
-- only in the runs whose last known row is among them, twice as far each time. So the cost
-- follows the rows taken and the names, and not what is stored or one times the other. A
-- delayed row stands for the rest of its priority, which is delayed too: it is kept as of the
-- instant `infinity`, and reading on from there leaps to the next priority. `picked` then locks
-- as many rows of each name and priority as are among the best and no more, passing over what
-- other processes are locking at this moment.
--
-- All that is spared where one worker is asked for and its first priority alone has enough, as
-- in most long backlogs: `head` locks these rows at once. It took a third of the time.
with recursive alive as (
    select from {owners}
    where id = %(owner)s and lease_expires_at > coalesce(%(now)s::timestamptz, now())
), head as (
    select job.id from {jobs} as job
    where exists (select from alive)
        and pg_catalog.cardinality(%(names)s::text[]) = 1
        and job.name = (%(names)s::text[])[1]
        and job.priority = (
            select first.priority from {jobs} as first
            where first.name = (%(names)s::text[])[1] and first.reserved_by is null
            order by first.priority
            limit 1
        )
        and job.reserved_by is null
        and job.available_at <= coalesce(%(now)s::timestamptz, now())
    order by job.available_at, job.id
    limit %(limit)s
    for update skip locked
), enough as (
    select from head having count(*) = %(limit)s
), rounds (round, name, priority, available_at, id, ahead) as (
    select
        0, asked.name, '-32768'::smallint, 'infinity'::timestamptz,
        '00000000-0000-0000-0000-000000000000'::uuid,
        -- Twice an even share, so that one round is mostly enough.
        greatest(
            1, %(limit)s::bigint / greatest(1, pg_catalog.cardinality(%(names)s::text[]) / 2)
        )
    from pg_catalog.unnest(%(names)s::text[]) as asked (name)
    where exists (select from alive) and not exists (select from enough)
    union all
    select last.round + 1, last.name, more.priority, more.available_at, more.id, more.ahead
    from (
        select
            best.*,
            bool_or(best.ahead is not null and best.rank < %(limit)s) over () as unfinished
        from (
            select
                *,
                count(*) filter (where available_at < 'infinity')
                    over (order by priority, available_at, id) as rank
            from rounds
            where available_at < 'infinity' or ahead is not null
            order by priority, available_at, id
            -- All that can be among the best, and at most one delayed row of each name.
            limit %(limit)s::bigint + pg_catalog.cardinality(%(names)s::text[])
        ) as best
    ) as last cross join lateral (
        select last.priority, last.available_at, last.id, null::bigint as ahead
        where last.available_at < 'infinity'
        union all
        select
            next.priority,
            case
                when next.available_at <= coalesce(%(now)s::timestamptz, now())
                then next.available_at
                else 'infinity'
            end,
            next.id,
            case
                when row_number() over () = least(last.ahead, %(limit)s - last.rank)
                then 2 * last.ahead
            end
        -- Two limits: the planner knows the inner one and so stays with the index.
        from (
            select next.priority, next.available_at, next.id from (
                select job.priority, job.available_at, job.id from {jobs} as job
                where last.ahead is not null
                    and job.name = last.name
                    and (job.priority, job.available_at, job.id)
                        > (last.priority, last.available_at, last.id)
                    and job.reserved_by is null
                order by job.priority, job.available_at, job.id
                limit %(limit)s
            ) as next
            limit least(last.ahead, %(limit)s - last.rank)
        ) as next
    ) as more
    where last.unfinished and last.rank <= %(limit)s
), shares as (
    select best.name, best.priority, count(*) as share
    from (
        select name, priority from rounds
        where round = (select max(round) from rounds) and available_at < 'infinity'
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
where job.id = any(array(
    -- Both at most once each; a row that we have locked ourselves is not passed over.
    select head.id from head where exists (select from enough)
    union all
    select picked.id from picked
))
returning
    job.id, job.name, job.payload, job.priority, job.attempts,
    job.crashes, job.interruptions, job.reservations, job.created_at, job.available_at,
    job.reserved_at, job.reserved_by, job.unique_key, job.errors, job.occurrence, job.metadata;
