-- name: reserve
-- Reserve the due jobs of several workers that come first by priority, time and id, for an owner with a
-- live lease. No job is reserved twice: the rows are locked with "for update skip locked", which passes
-- over rows that other processes are reserving, instead of waiting for them.
-- https://www.postgresql.org/docs/current/sql-select.html#SQL-FOR-UPDATE-SHARE
--
-- The cost grows with the number of rows taken and of names asked for, not with the number of jobs
-- stored, and not with the product of the two:
--   * `head` is the short way, for one worker whose first priority has enough due jobs, as in most long
--     backlogs. It locks them at once, in a third of the time of the rest, which is then skipped.
--   * `rounds` merges sorted runs of index entries, without locks. Each round keeps the best rows known
--     and reads on, twice as far each time, in those runs whose last known row is among the best.
--   * The runs of a worker are: its due jobs of the default priority ('default'); of the jobs that were
--     never delayed, those of higher priorities ('urgent') and those of lower ones ('patient'), which
--     are read only when the others are too few.
--   * `late` are jobs of other priorities that were delayed and are due now, found by their time. So a
--     priority that has only delayed jobs costs nothing.
--   * With 200 or more of these, one run of all the worker's entries in `jobs_ready` ('every') costs
--     less. In it, the first delayed row of a priority shows that the rest of that priority is delayed
--     too. It is kept with the time `infinity`, and reading on from there continues with the next
--     priority.
--   * `asked` has the position of each worker, after which its jobs of the default priority are looked
--     for; `since` is the time from which a run of these reads on.
--   * `picked` locks as many rows of each name and priority as are among the best.
with recursive alive as (
    select from {owners}
    where id = %(owner)s and lease_expires_at > coalesce(%(now)s::timestamptz, now())
), asked (name, available_at, id) as materialized (
    select
        name, coalesce(available_at, '-infinity'),
        coalesce(id, '00000000-0000-0000-0000-000000000000')
    from unnest(
        %(names)s::text[], %(after)s::timestamptz[], %(after_ids)s::uuid[]
    ) as given (name, available_at, id)
), first as materialized (
    -- Each branch is one step in the index; together they would read what lies between.
    select job.name, job.priority, job.available_at, job.id
    from asked cross join lateral (
        (
            select urgent.name, urgent.priority, urgent.available_at, urgent.id
            from {jobs} as urgent
            where urgent.name = asked.name and urgent.priority < 0 and urgent.reserved_by is null
            order by urgent.priority, urgent.available_at, urgent.id
            limit 1
        )
        union all
        (
            select later.name, later.priority, later.available_at, later.id
            from {jobs} as later
            where later.name = asked.name
                and (later.priority, later.available_at, later.id)
                    > (0, asked.available_at, asked.id)
                and later.reserved_by is null
            order by later.priority, later.available_at, later.id
            limit 1
        )
        limit 1
    ) as job
    where pg_catalog.cardinality(%(names)s::text[]) = 1
), head as (
    select job.id
    from first cross join lateral (
        select job.id from {jobs} as job
        where exists (select from alive)
            and job.name = first.name
            and job.priority = first.priority
            and (job.available_at, job.id) >= (first.available_at, first.id)
            and job.reserved_by is null
            and job.available_at <= coalesce(%(now)s::timestamptz, now())
        order by job.available_at, job.id
        limit %(limit)s
        for update skip locked
    ) as job
), enough as (
    select from head having count(*) = %(limit)s
), late as materialized (
    select job.name, job.priority, job.available_at, job.id
    from asked cross join lateral (
        select asked.name, job.priority, job.available_at, job.id from {jobs} as job
        where job.name collate "C" = asked.name
            and job.reserved_by is null
            and job.priority <> 0
            and job.available_at > job.created_at
            and job.available_at <= coalesce(%(now)s::timestamptz, now())
        order by job.available_at
        limit 200
    ) as job
    where exists (select from alive) and not exists (select from enough)
    limit 200
), runs (kind, priority) as materialized (
    select *
    from (
        values
            ('default', '-1'::smallint), ('urgent', '-32768'), ('patient', '0'),
            ('every', '-32768')
    ) as run (kind, priority)
    where (run.kind = 'every') = (select count(*) = 200 from late)
        and exists (select from alive) and not exists (select from enough)
), rounds (round, name, kind, priority, available_at, since, id, ahead) as (
    select
        0, asked.name, run.kind, run.priority, 'infinity'::timestamptz, asked.available_at,
        asked.id,
        -- Twice an even share, so that one round is enough in most cases.
        greatest(
            1, %(limit)s::bigint / greatest(1, pg_catalog.cardinality(%(names)s::text[]) / 2)
        )
    from runs as run cross join asked
    union all
    (
        select
            0, late.name, 'late', late.priority, late.available_at, late.available_at, late.id,
            null
        from late
        where exists (select from runs where kind <> 'every')
        order by late.priority, late.available_at, late.id
        limit %(limit)s
    )
    union all
    select
        last.round + 1, last.name, last.kind, more.priority, more.available_at, more.since,
        more.id, more.ahead
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
            -- All rows that can be among the best, and at most one delayed row of each run.
            limit %(limit)s::bigint + 3 * pg_catalog.cardinality(%(names)s::text[])
        ) as best
    ) as last cross join lateral (
        select
            last.priority, last.available_at, last.since, last.id,
            case when last.available_at = 'infinity' then last.ahead end as ahead
        where last.available_at < 'infinity' or (last.kind = 'patient' and last.round = 0)
        union all
        select
            next.priority,
            case
                when next.available_at <= coalesce(%(now)s::timestamptz, now())
                then next.available_at
                else 'infinity'
            end,
            next.available_at,
            next.id,
            case
                when row_number() over () = least(last.ahead, %(limit)s - last.rank)
                then least(2 * last.ahead, %(limit)s)
            end
        -- Two limits: the planner can estimate the inner one, and so uses the index.
        from (
            select next.priority, next.available_at, next.id from (
                (
                    select job.priority, job.available_at, job.id from {jobs} as job
                    where last.ahead is not null
                        and last.kind = 'default'
                        and job.name = last.name
                        and job.priority = 0
                        and (job.available_at, job.id) > (last.since, last.id)
                        and job.reserved_by is null
                        and job.available_at <= coalesce(%(now)s::timestamptz, now())
                    order by job.priority, job.available_at, job.id
                    limit %(limit)s
                )
                union all
                (
                    select job.priority, job.available_at, job.id from {jobs} as job
                    where last.ahead is not null
                        and (last.kind = 'urgent' or (last.kind = 'patient' and last.round > 0))
                        and job.name collate "C" = last.name
                        and job.priority < case last.kind when 'urgent' then 0 else 32768 end
                        and (job.priority, job.available_at, job.id)
                            > (last.priority, last.available_at, last.id)
                        and job.reserved_by is null
                        and job.priority <> 0
                        and job.available_at <= job.created_at
                    order by job.priority, job.available_at, job.id
                    limit %(limit)s
                )
                union all
                (
                    select job.priority, job.available_at, job.id from {jobs} as job
                    where last.ahead is not null
                        and last.kind = 'every'
                        and job.name = last.name
                        and (job.priority, job.available_at, job.id)
                            > (last.priority, last.available_at, last.id)
                        and job.reserved_by is null
                    order by job.priority, job.available_at, job.id
                    limit %(limit)s
                )
            ) as next
            limit least(last.ahead, %(limit)s - last.rank)
        ) as next
    ) as more
    where last.unfinished and last.rank <= %(limit)s
), shares as (
    select
        best.name, best.priority, count(*) as share, min(best.available_at) as available_at,
        (pg_catalog.array_agg(best.id order by best.available_at, best.id))[1] as id
    from (
        select name, priority, available_at, id from rounds
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
                and (job.available_at, job.id) >= (level.available_at, level.id)
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
    -- "skip locked" does not skip rows that this transaction locked, but only one of the two is used.
    select head.id from head where exists (select from enough)
    union all
    select picked.id from picked
))
returning
    {job_columns of job};


-- name: next_due
-- How long until the first waiting job of these workers is due. It reads, as `reserve` does, the jobs of
-- the default priority, and of the other priorities the delayed jobs by their time and the others
-- (`prompt`). The first of the latter is due, unless the clock was set back; only then is the next
-- priority read.
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
-- Clamped to what a datetime can represent; before PostgreSQL 17, subtracting from infinity fails.
select
    min(least(
        greatest(head.available_at, '0001-01-01 00:00:00+00'), '9999-12-31 23:59:59.999999+00'
    )) - coalesce(%(now)s::timestamptz, now())
from (
    select job.available_at
    from unnest(
        %(names)s::text[], %(after)s::timestamptz[], %(after_ids)s::uuid[]
    ) as asked (name, available_at, id) cross join lateral (
        select job.available_at from {jobs} as job
        where job.name = asked.name
            and job.priority = 0
            and (job.available_at, job.id) > (
                coalesce(asked.available_at, '-infinity'),
                coalesce(asked.id, '00000000-0000-0000-0000-000000000000')
            )
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


-- name: use
-- How many jobs of each worker run, and how many started within the period of its rate limit. The
-- caller holds an advisory lock for each of these workers.
-- The time is that of the statement, since the transaction began before it waited for these locks. A
-- start that lies further ahead than the period, because a clock was set back, is not counted.
-- https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
select asked.name, running.number, started.number, started.oldest, clock.now
from
    unnest(%(names)s::text[], %(periods)s::bigint[]) as asked (name, period)
    cross join (select coalesce(%(now)s::timestamptz, statement_timestamp())) as clock (now)
    cross join lateral (
        select count(*) as number from {jobs} as job
        where job.reserved_by is not null and job.name = asked.name
    ) as running
    cross join lateral (
        select count(*) as number, clock.now - pg_catalog.min(one.started_at) as oldest
        from {starts} as one
        where one.name = asked.name
            and one.started_at
                > clock.now - asked.period::double precision * interval '1 microsecond'
            and one.started_at
                <= clock.now + asked.period::double precision * interval '1 microsecond'
    ) as started;


-- name: record_starts
-- And delete those that no longer count.
with old as (
    delete from {starts} as one
    using unnest(%(names)s::text[], %(periods)s::bigint[]) as asked (name, period)
    where one.name = asked.name
        and one.started_at <= coalesce(%(now)s::timestamptz, now())
            - asked.period::double precision * interval '1 microsecond'
), absurd as (
    delete from {starts} as one
    using unnest(%(names)s::text[], %(periods)s::bigint[]) as asked (name, period)
    where one.name = asked.name
        and one.started_at > coalesce(%(now)s::timestamptz, now())
            + asked.period::double precision * interval '1 microsecond'
)
insert into {starts} (name, started_at)
select begun.name, coalesce(%(now)s::timestamptz, now())
from pg_catalog.unnest(%(begun)s::text[]) as begun (name);
