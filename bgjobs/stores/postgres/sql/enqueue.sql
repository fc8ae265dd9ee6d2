-- name: enqueue
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


-- name: find_live
-- What stands where a wanted job could not be stored: the job of that id, else the holder of its
-- unique key. One that has ended is given as it was asked for.
select wanted.id, standing.*
from
    unnest(%(ids)s::uuid[], %(names)s::text[], %(unique_keys)s::text[])
        as wanted (id, name, unique_key)
    cross join lateral (
        select {job_columns}
        from (
            select 1 as rank,
                {job_columns}
            from {jobs} where id = wanted.id
            union all
            select 2 as rank,
                id, name, payload, priority, 0, 0, 0, 0, created_at, available_at,
                null, null, unique_key, '[]', occurrence, metadata
            from {jobs_succeeded} where id = wanted.id
            union all
            select 3 as rank,
                id, name, payload, priority, 0, 0, 0, 0, created_at, available_at,
                null, null, unique_key, '[]', occurrence, metadata
            from {jobs_failed} where id = wanted.id
            union all
            select 4 as rank,
                {job_columns}
            from {jobs} where name = wanted.name and unique_key = wanted.unique_key
        ) as candidates
        order by rank
        limit 1
    ) as standing;


-- name: find_unique
select {job_columns}
from {jobs} where name = %(name)s and unique_key = %(unique_key)s;


-- name: find_refused
-- Rows of which the database refuses that they are reserved, because something in them is beyond
-- its bounds: the reservation would be one too many, or an older version has stored them.
-- Fifty at a time: each has up to two megabytes that can be read. The next reservation finds more.
select {job_columns}
from {jobs}
where name = any(%(names)s::text[])
    and reserved_by is null
    and not ({job_limits} and reservations < %(most)s)
limit 50;


-- name: find_beyond
-- The rows of each table that its constraint would refuse, fifty at a time: each has up to two
-- megabytes that can be read.
select {job_columns}
from {jobs}
where not ({job_limits})
limit 50;

select {succeeded_columns}
from {jobs_succeeded}
where not ({succeeded_limits})
limit 50;

select {failed_columns}
from {jobs_failed}
where not ({failed_limits})
limit 50;
