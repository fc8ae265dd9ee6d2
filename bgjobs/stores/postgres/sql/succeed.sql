-- A job that has ended before and was stored once more, by a write that was slower than the job,
-- ends without a trace, as lost: what it would write must not be written twice. Where it ended
-- is seen here, because it was stored again and reserved only after that; so no `on conflict`
-- is needed, which with a look for each job took a quarter of the time.
with settled as (
    delete from {jobs} as job
    using unnest(%(ids)s::uuid[], %(owners)s::uuid[], %(numbers)s::integer[])
        as held (id, owner, number)
    where job.id = held.id
        and job.reserved_by = held.owner
        and job.reservations = held.number
    returning job.*
), recorded as (
    insert into {jobs_succeeded} (
        id, name, payload, priority, attempts, crashes, interruptions, reservations,
        created_at, available_at, reserved_at, reserved_by, unique_key, errors,
        occurrence, metadata, succeeded_at
    )
    select
        id, name, payload, priority, attempts, crashes, interruptions, reservations,
        created_at, available_at, reserved_at, reserved_by, unique_key, errors,
        occurrence, metadata,
        coalesce(%(now)s::timestamptz, now())
    from settled
    where id <> all(array(
        select ended.id from {jobs_succeeded} as ended where ended.id = any(%(ids)s::uuid[])
        union all
        select ended.id from {jobs_failed} as ended where ended.id = any(%(ids)s::uuid[])
    ))
    returning id, reserved_by, reservations
)
select id, reserved_by, reservations from recorded;

-- A job that ends together with work of the application is only locked before that work: what the
-- work commits, against its contract, must not be a success of the job. None that has ended
-- before, which the first statement sees to.
select pg_catalog.pg_current_xact_id()::text, job.unique_key
from {jobs} as job
where job.id = any(%(ids)s::uuid[])
    and job.reserved_by = any(%(owners)s::uuid[])
    and job.reservations = any(%(numbers)s::integer[])
    and not exists (select from {jobs_succeeded} as ended where ended.id = job.id)
    and not exists (select from {jobs_failed} as ended where ended.id = job.id)
for update of job;

-- The work may store a job under the unique key of the one that ends.
update {jobs} as job set unique_key = null
from unnest(%(ids)s::uuid[], %(owners)s::uuid[], %(numbers)s::integer[])
    as held (id, owner, number)
where job.id = held.id
    and job.reserved_by = held.owner
    and job.reservations = held.number;

-- As the first, with the unique key that it had.
with settled as (
    delete from {jobs} as job
    using unnest(%(ids)s::uuid[], %(owners)s::uuid[], %(numbers)s::integer[])
        as held (id, owner, number)
    where job.id = held.id
        and job.reserved_by = held.owner
        and job.reservations = held.number
    returning job.*
), recorded as (
    insert into {jobs_succeeded} (
        id, name, payload, priority, attempts, crashes, interruptions, reservations,
        created_at, available_at, reserved_at, reserved_by, unique_key, errors,
        occurrence, metadata, succeeded_at
    )
    select
        id, name, payload, priority, attempts, crashes, interruptions, reservations,
        created_at, available_at, reserved_at, reserved_by,
        %(unique_key)s::text, errors,
        occurrence, metadata,
        coalesce(%(now)s::timestamptz, now())
    from settled
    where id <> all(array(
        select ended.id from {jobs_succeeded} as ended where ended.id = any(%(ids)s::uuid[])
        union all
        select ended.id from {jobs_failed} as ended where ended.id = any(%(ids)s::uuid[])
    ))
    returning id, reserved_by, reservations
)
select id, reserved_by, reservations from recorded;
