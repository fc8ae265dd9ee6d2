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
