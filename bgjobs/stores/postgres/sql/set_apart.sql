-- From each of the three tables; a row that was reserved, given back or
-- ended since it was read stays.
with apart as (
    delete from {jobs} as job
    using unnest(%(ids)s::uuid[], %(owners)s::text[], %(numbers)s::integer[], %(reasons)s::text[])
        as read (id, owner, number, reason)
    where job.id = read.id
        and job.reserved_by is not distinct from read.owner::uuid
        and job.reservations = read.number
    returning job.*, read.reason
), kept as (
    insert into {jobs_unreadable} (
        id, origin, reason, found_at, job_id,
        name, payload, priority, attempts, crashes, interruptions, reservations,
        created_at, available_at, reserved_at, reserved_by, unique_key, errors,
        occurrence, metadata
    )
    select
        case
            when exists (select from {jobs_unreadable} as other where other.id = apart.id)
            then pg_catalog.gen_random_uuid()
            else apart.id
        end,
        'jobs', reason, coalesce(%(now)s::timestamptz, now()), id,
        name, payload, priority, attempts, crashes, interruptions, reservations,
        created_at, available_at, reserved_at, reserved_by, unique_key, errors,
        occurrence, metadata
    from apart
    returning *
)
select job_id, reserved_by, reservations, id, found_at from kept;

with apart as (
    delete from {jobs_succeeded} as job
    using unnest(%(ids)s::uuid[], %(owners)s::text[], %(numbers)s::integer[], %(reasons)s::text[])
        as read (id, owner, number, reason)
    where job.id = read.id
    returning job.*, read.reason
), kept as (
    insert into {jobs_unreadable} (
        id, origin, reason, found_at, job_id,
        name, payload, priority, attempts, crashes, interruptions, reservations,
        created_at, available_at, reserved_at, reserved_by, unique_key, errors,
        occurrence, metadata, succeeded_at
    )
    select
        case
            when exists (select from {jobs_unreadable} as other where other.id = apart.id)
            then pg_catalog.gen_random_uuid()
            else apart.id
        end,
        'jobs_succeeded', reason, coalesce(%(now)s::timestamptz, now()), id,
        name, payload, priority, attempts, crashes, interruptions, reservations,
        created_at, available_at, reserved_at, reserved_by, unique_key, errors,
        occurrence, metadata, succeeded_at
    from apart
    returning *
)
select job_id, reserved_by, reservations, id, found_at from kept;

with apart as (
    delete from {jobs_failed} as job
    using unnest(%(ids)s::uuid[], %(owners)s::text[], %(numbers)s::integer[], %(reasons)s::text[])
        as read (id, owner, number, reason)
    where job.id = read.id
    returning job.*, read.reason
), kept as (
    insert into {jobs_unreadable} (
        id, origin, reason, found_at, job_id,
        name, payload, priority, attempts, crashes, interruptions, reservations,
        created_at, available_at, reserved_at, reserved_by, unique_key, errors,
        occurrence, metadata, error, failed_at
    )
    select
        case
            when exists (select from {jobs_unreadable} as other where other.id = apart.id)
            then pg_catalog.gen_random_uuid()
            else apart.id
        end,
        'jobs_failed', reason, coalesce(%(now)s::timestamptz, now()), id,
        name, payload, priority, attempts, crashes, interruptions, reservations,
        created_at, available_at, reserved_at, reserved_by, unique_key, errors,
        occurrence, metadata, error, failed_at
    from apart
    returning *
)
select job_id, reserved_by, reservations, id, found_at from kept;
