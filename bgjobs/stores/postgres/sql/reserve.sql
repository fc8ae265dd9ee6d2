-- name: reserve
-- `rounds` looks, without a lock, for the best rows of several sorted runs together: each round
-- keeps the best that are known and reads on only in the runs whose last known row is among
-- them, twice as far each time. So the cost follows the rows taken and the names, and not what
-- is stored or one times the other. The runs of one worker are its due jobs of the default
-- priority, and, of the jobs that never had to wait, those of more urgent priorities and those of
-- less urgent ones, which are looked at only if the others are too few. `late` are those that had
-- to, by their time; so a priority that has only delayed jobs is not looked at. Where so many are
-- late that reading them all would cost more, there is one run instead, of all that the worker
-- has in the ready index. In it a delayed row stands for the rest of its priority, which is
-- delayed too: it is kept as of the instant `infinity`, and reading on from there leaps to the
-- next priority. `picked` then locks as many rows of each name and priority as are among the
-- best ones only, passing over what other processes are locking at this moment.
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
), late as materialized (
    select job.name, job.priority, job.available_at, job.id
    from pg_catalog.unnest(%(names)s::text[]) as asked (name) cross join lateral (
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
), rounds (round, name, kind, priority, available_at, id, ahead) as (
    select
        0, asked.name, run.kind, run.priority, 'infinity'::timestamptz,
        '00000000-0000-0000-0000-000000000000'::uuid,
        -- Twice an even share, so that one round is mostly enough.
        greatest(
            1, %(limit)s::bigint / greatest(1, pg_catalog.cardinality(%(names)s::text[]) / 2)
        )
    from runs as run cross join pg_catalog.unnest(%(names)s::text[]) as asked (name)
    union all
    (
        select 0, late.name, 'late', late.priority, late.available_at, late.id, null
        from late
        where exists (select from runs where kind <> 'every')
        order by late.priority, late.available_at, late.id
        limit %(limit)s
    )
    union all
    select
        last.round + 1, last.name, last.kind, more.priority, more.available_at, more.id,
        more.ahead
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
            -- All that can be among the best, and at most one delayed row of each run.
            limit %(limit)s::bigint + 3 * pg_catalog.cardinality(%(names)s::text[])
        ) as best
    ) as last cross join lateral (
        select
            last.priority, last.available_at, last.id,
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
            next.id,
            case
                when row_number() over () = least(last.ahead, %(limit)s - last.rank)
                then least(2 * last.ahead, %(limit)s)
            end
        -- Two limits: the planner knows the inner one and so stays with the index.
        from (
            select next.priority, next.available_at, next.id from (
                (
                    select job.priority, job.available_at, job.id from {jobs} as job
                    where last.ahead is not null
                        and last.kind = 'default'
                        and job.name = last.name
                        and job.priority = 0
                        and (job.priority, job.available_at, job.id)
                            > (last.priority, last.available_at, last.id)
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
    {job_columns of job};


-- name: next_due
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


-- name: use
-- The clock is the statement's: the transaction began before it waited for others. A start that
-- is further in the future than the period is long is none.
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
