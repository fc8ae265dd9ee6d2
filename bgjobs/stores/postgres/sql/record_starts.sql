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
