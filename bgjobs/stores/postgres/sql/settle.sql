-- name: succeed
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


-- name: fail
-- A job that has ended before and was stored once more, by a write that was slower than the job,
-- ends without a trace, as lost: what it would write must not be written twice. Where it ended
-- is seen here, because it was stored again and reserved only after that; so no `on conflict`
-- is needed, which with a look for each job took a quarter of the time.
with settled as (
    delete from {jobs} as job
    using unnest(
        %(ids)s::uuid[], %(owners)s::uuid[], %(numbers)s::integer[], %(attempts)s::integer[],
        %(crashes)s::integer[], %(interruptions)s::integer[], %(errors)s::text[],
        %(reasons)s::text[]
    ) as held (
        id, owner, number, new_attempts, new_crashes, new_interruptions, new_errors, reason
    )
    where job.id = held.id
        and job.reserved_by = held.owner
        and job.reservations = held.number
    returning job.*, new_attempts, new_crashes, new_interruptions, new_errors, reason
), recorded as (
    insert into {jobs_failed} (
        id, name, payload, priority, attempts, crashes, interruptions, reservations,
        created_at, available_at, reserved_at, reserved_by, unique_key, errors,
        occurrence, metadata, error, failed_at
    )
    select
        id, name, payload, priority, new_attempts, new_crashes, new_interruptions, reservations,
        created_at, available_at, reserved_at, reserved_by, unique_key, new_errors,
        occurrence, metadata,
        reason, coalesce(%(now)s::timestamptz, now())
    from settled
    where id <> all(array(
        select ended.id from {jobs_succeeded} as ended where ended.id = any(%(ids)s::uuid[])
        union all
        select ended.id from {jobs_failed} as ended where ended.id = any(%(ids)s::uuid[])
    ))
    returning id, reserved_by, reservations
)
select id, reserved_by, reservations from recorded;


-- name: requeue
-- A job that an operator has cancelled meanwhile does not wait again: it ends here. One that has
-- ended before and was stored once more ends without a trace, as in fail.sql. A run of a schedule
-- stays reserved, because its end is written together with the run that follows it.
with asked as materialized (
    select job_id, pg_catalog.left(reason, 1000) as reason
    from {cancellations} where job_id = any(%(ids)s::uuid[])
), ended as (
    delete from {jobs} as job
    using asked, unnest(
        %(ids)s::uuid[], %(owners)s::uuid[], %(numbers)s::integer[], %(attempts)s::integer[],
        %(crashes)s::integer[], %(interruptions)s::integer[], %(errors)s::text[]
    ) as held (id, owner, number, new_attempts, new_crashes, new_interruptions, new_errors)
    where job.id = asked.job_id
        and job.id = held.id
        and job.reserved_by = held.owner
        and job.reservations = held.number
        and job.occurrence is null
    returning
        job.*, new_attempts, new_crashes, new_interruptions, new_errors, asked.reason
), recorded as (
    insert into {jobs_failed} (
        id, name, payload, priority, attempts, crashes, interruptions, reservations,
        created_at, available_at, reserved_at, reserved_by, unique_key, errors,
        occurrence, metadata, error, failed_at
    )
    select
        id, name, payload, priority, new_attempts, new_crashes, new_interruptions, reservations,
        created_at, available_at, reserved_at, reserved_by, unique_key, new_errors,
        occurrence, metadata,
        %(cancelled)s || reason, coalesce(%(now)s::timestamptz, now())
    from ended
    where id <> all(array(
        select ended.id from {jobs_succeeded} as ended where ended.id = any(%(ids)s::uuid[])
        union all
        select ended.id from {jobs_failed} as ended where ended.id = any(%(ids)s::uuid[])
    ))
    returning id, reserved_by, reservations
), forgotten as (
    delete from {cancellations} where job_id in (select id from ended)
), requeued as (
    update {jobs} as job set
        attempts = held.attempts,
        crashes = held.crashes,
        interruptions = held.interruptions,
        errors = held.errors,
        available_at = coalesce(
            coalesce(%(now)s::timestamptz, now())
                + held.delay::double precision * interval '1 microsecond',
            job.available_at
        ),
        reserved_at = null,
        reserved_by = null
    from unnest(
        %(ids)s::uuid[], %(owners)s::uuid[], %(numbers)s::integer[], %(attempts)s::integer[],
        %(crashes)s::integer[], %(interruptions)s::integer[], %(errors)s::text[],
        %(delays)s::bigint[]
    ) as held (id, owner, number, attempts, crashes, interruptions, errors, delay)
    where job.id = held.id
        and job.reserved_by = held.owner
        and job.reservations = held.number
        and not exists (select from asked where asked.job_id = job.id)
    returning held.id, held.owner, held.number
)
select id, owner, number, null::text as reason from requeued
union all
select recorded.id, recorded.reserved_by, recorded.reservations, asked.reason
from recorded join asked on asked.job_id = recorded.id
union all
select job.id, job.reserved_by, job.reservations, asked.reason
from asked join {jobs} as job on asked.job_id = job.id
where job.reserved_by is not null and job.occurrence is not null;
