-- name: succeed
-- Every statement in this file touches a job only under the reservation that it settles: id, owner and
-- number. A job that was reserved again meanwhile is left alone, and is missing in the result.
-- A repeated write may have stored a job again after it ended. The second run is then deleted without a
-- record, and reported as lost, so that the effects of its end are not applied twice. The subselect sees
-- the earlier end, which came before the second reservation; so no "on conflict" is needed, which would
-- take a quarter of the time.
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


-- name: lock_reserved
-- The first step of completing a job together with work of the application. The job only becomes
-- a succeeded one after the work: if the work commits the transaction, against its contract, the job
-- must not have succeeded. A job that has ended before is not returned; `succeed` deletes it.
select pg_catalog.pg_current_xact_id()::text, job.unique_key
from {jobs} as job
where job.id = any(%(ids)s::uuid[])
    and job.reserved_by = any(%(owners)s::uuid[])
    and job.reservations = any(%(numbers)s::integer[])
    and not exists (select from {jobs_succeeded} as ended where ended.id = job.id)
    and not exists (select from {jobs_failed} as ended where ended.id = job.id)
for update of job;


-- name: free_unique_key
-- So that the work can store a job with the unique key of the job that ends.
update {jobs} as job set unique_key = null
from unnest(%(ids)s::uuid[], %(owners)s::uuid[], %(numbers)s::integer[])
    as held (id, owner, number)
where job.id = held.id
    and job.reserved_by = held.owner
    and job.reservations = held.number;


-- name: succeed_locked
-- As `succeed`, with the unique key that the job had before `free_unique_key`.
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
-- As `succeed`, a job that has ended before is deleted without a record.
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
-- Put reserved jobs back. A job whose cancellation was requested meanwhile becomes a failed one instead.
-- As in `succeed`, a job that has ended before is deleted without a record. The job of a scheduled job
-- stays reserved: its end is written together with the job that follows it.
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
