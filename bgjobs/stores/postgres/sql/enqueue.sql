-- A job that has ended meanwhile is not stored again: a repeated write must not run it twice.
-- Rows go in by unique key: two batches that want the same keys then wait for each other in one
-- order and cannot deadlock. The clock is the statement's, because the transaction may be a
-- caller's that began long ago.
insert into {jobs} (
    id, name, payload, priority, created_at, available_at, unique_key, occurrence
)
select
    wanted.id, wanted.name, wanted.payload, wanted.priority, clock.now,
    coalesce(
        wanted.available_at, clock.now + wanted.delay * interval '1 microsecond', clock.now
    ),
    wanted.unique_key, wanted.occurrence
from
    unnest(
        %(ids)s::uuid[], %(names)s::text[], %(payloads)s::text[], %(priorities)s::smallint[],
        %(available_ats)s::timestamptz[], %(delays)s::bigint[], %(unique_keys)s::text[],
        %(occurrences)s::text[]
    ) with ordinality as wanted (
        id, name, payload, priority, available_at, delay, unique_key, occurrence, place
    )
    cross join (select coalesce(%(now)s::timestamptz, statement_timestamp())) as clock (now)
where not exists (select from {jobs_succeeded} as ended where ended.id = wanted.id)
    and not exists (select from {jobs_failed} as ended where ended.id = wanted.id)
order by wanted.name, wanted.unique_key, wanted.place
on conflict do nothing
returning id, created_at, available_at;
