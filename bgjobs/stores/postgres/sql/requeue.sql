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
