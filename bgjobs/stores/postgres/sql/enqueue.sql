-- name: enqueue
-- Store new jobs. Skip a job whose id is live or has ended, because the write may be a repetition, and
-- one whose unique key is taken. An insert of a key that another transaction has written waits for the
-- end of that transaction.
-- The time is that of the statement: the transaction may be the caller's, and have begun long ago.
insert into {jobs} (id, created_at, available_at, {enqueued_names without available_at})
select
    wanted.id, clock.now,
    coalesce(
        wanted.available_at,
        clock.now + wanted.delay::double precision * interval '1 microsecond',
        clock.now
    ),
    {enqueued_names of wanted without available_at}
from
    unnest({enqueued_values}, %(delays)s::bigint[]) as wanted (id, {enqueued_names}, delay)
    cross join (select coalesce(%(now)s::timestamptz, statement_timestamp())) as clock (now)
where wanted.id <> all(array(
    select ended.id from {jobs_succeeded} as ended where ended.id = any(%(id)s::uuid[])
    union all
    select ended.id from {jobs_failed} as ended where ended.id = any(%(id)s::uuid[])
    union all
    select ended.id from {jobs_cancelled} as ended where ended.id = any(%(id)s::uuid[])
))
on conflict do nothing
returning id, created_at, available_at;


-- name: enqueue_plain
-- Store new jobs with the default options, and return how many were stored and when. Skip a job whose id
-- is live.
with stored as (
    insert into {jobs} (id, {plain_names})
    select wanted.id, wanted.name, wanted.payload, 0, clock.now, clock.now
    from
        unnest(%(id)s::uuid[], %(name)s::text[], %(payload)s::text[])
            as wanted (id, name, payload)
        cross join (select coalesce(%(now)s::timestamptz, statement_timestamp())) as clock (now)
    on conflict do nothing
    returning created_at
)
select count(*), min(created_at) from stored;


-- name: enqueue_one
-- Do the same for one job, but return no row if it was skipped.
insert into {jobs} (id, {plain_names})
values (
    %(id)s, %(name)s, %(payload)s, 0,
    coalesce(%(now)s::timestamptz, statement_timestamp()),
    coalesce(%(now)s::timestamptz, statement_timestamp())
)
on conflict do nothing
returning 1, created_at;


-- name: refuse_ended
-- Divide by zero if a job was stored that has ended meanwhile, so that the transaction is rolled back.
-- `enqueue` cannot see a job that ends while it runs or waits; a later statement can. The client may
-- have given up by then and repeated the write. Failing, unlike deleting the job, needs no right that
-- a producer lacks.
select 1 / (count(*) = 0)::integer
from
    (
        select id from {jobs_succeeded} where id = any(%(id)s::uuid[])
        union all
        select id from {jobs_failed} where id = any(%(id)s::uuid[])
        union all
        select id from {jobs_cancelled} where id = any(%(id)s::uuid[])
    ) as ended
    join {jobs} as job using (id);


-- name: find_holder
-- Why a job was not stored: the live job that has its id, else the live job that has its unique key; and
-- the time. `find_ended` is read after it, in the order in which a job moves.
select
    wanted.id, {job_columns of standing},
    coalesce(%(now)s::timestamptz, statement_timestamp())
from
    unnest(%(id)s::uuid[], %(name)s::text[], %(unique_key)s::text[])
        as wanted (id, name, unique_key)
    cross join lateral (
        select * from (
            select 1 as rank, job.* from {jobs} as job where job.id = wanted.id
            union all
            select 2 as rank, job.* from {jobs} as job
            where job.name = wanted.name and job.unique_key = wanted.unique_key
        ) as candidates
        order by rank
        limit 1
    ) as standing;


-- name: find_ended
-- The jobs that have ended, and their times.
select id, created_at, available_at from {jobs_succeeded} where id = any(%(id)s::uuid[])
union all
select id, created_at, available_at from {jobs_failed} where id = any(%(id)s::uuid[])
union all
select id, created_at, available_at from {jobs_cancelled} where id = any(%(id)s::uuid[]);


-- name: find_unique
select {job_columns}, coalesce(%(now)s::timestamptz, statement_timestamp())
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
