-- A job that has ended is not stored again: a repeated write must not run it twice.
-- The clock is the statement's, because the transaction may be a caller's that began long ago.
insert into {jobs} (
    id, name, payload, priority, created_at, available_at, unique_key, occurrence, metadata
)
select
    wanted.id, wanted.name, wanted.payload, wanted.priority, clock.now,
    coalesce(
        wanted.available_at,
        clock.now + wanted.delay::double precision * interval '1 microsecond',
        clock.now
    ),
    wanted.unique_key, wanted.occurrence, wanted.metadata
from
    unnest(
        %(ids)s::uuid[], %(names)s::text[], %(payloads)s::text[], %(priorities)s::smallint[],
        %(available_ats)s::timestamptz[], %(delays)s::bigint[], %(unique_keys)s::text[],
        %(occurrences)s::text[], %(metadata)s::text[]
    ) as wanted (
        id, name, payload, priority, available_at, delay, unique_key, occurrence, metadata
    )
    cross join (select coalesce(%(now)s::timestamptz, statement_timestamp())) as clock (now)
where wanted.id <> all(array(
    select ended.id from {jobs_succeeded} as ended where ended.id = any(%(ids)s::uuid[])
    union all
    select ended.id from {jobs_failed} as ended where ended.id = any(%(ids)s::uuid[])
))
on conflict do nothing
returning id, created_at, available_at;

-- One that ended while the insert was under way, or waited, is seen only by a later statement.
-- This one then fails, and with it the whole transaction: also that of a client that has given
-- up long ago, and may have repeated the write since. A producer has no right to delete.
select 1 / (count(*) = 0)::integer
from
    (
        select id from {jobs_succeeded} where id = any(%(ids)s::uuid[])
        union all
        select id from {jobs_failed} where id = any(%(ids)s::uuid[])
    ) as ended
    join {jobs} as job using (id);
