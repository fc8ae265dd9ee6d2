-- name: enqueue
-- Store new jobs. Skip a job whose id is live or has ended, because the write may be a repetition, and
-- one whose unique key is taken. An insert of a key that another transaction has written waits for the
-- end of that transaction.
-- The time is that of the statement: the transaction may be the caller's, and have begun long ago.
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


-- name: refuse_ended
-- Divide by zero if a job was stored that has ended meanwhile, so that the transaction is rolled back.
-- `enqueue` cannot see a job that ends while it runs or waits; a later statement can. The client may
-- have given up by then and repeated the write. Failing, unlike deleting the job, needs no right that
-- a producer lacks.
select 1 / (count(*) = 0)::integer
from
    (
        select id from {jobs_succeeded} where id = any(%(ids)s::uuid[])
        union all
        select id from {jobs_failed} where id = any(%(ids)s::uuid[])
    ) as ended
    join {jobs} as job using (id);


-- name: find_holder
-- Why a job was not stored: the job that has its id, else the job that has its unique key. A job that
-- has ended is returned as it was before its first run.
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
-- Waiting rows that the database refuses to reserve: `reservations` is at its limit, or an older version
-- stored a value that a constraint now refuses. At most 50, since each may have 2 MB of text; the next
-- reservation finds more.
select {job_columns}
from {jobs}
where name = any(%(names)s::text[])
    and reserved_by is null
    and not ({job_limits} and reservations < %(most)s)
limit 50;


-- name: find_invalid_live
-- Rows that the table's constraint would refuse, at most 50, since each may have 2 MB of text.
select {job_columns}
from {jobs}
where not ({job_limits})
limit 50;


-- name: find_invalid_succeeded
select {succeeded_columns}
from {jobs_succeeded}
where not ({succeeded_limits})
limit 50;


-- name: find_invalid_failed
select {failed_columns}
from {jobs_failed}
where not ({failed_limits})
limit 50;
