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
    insert into {jobs_unreadable} (id, origin, reason, found_at, job_id, {job_names})
    select
        case
            when exists (select from {jobs_unreadable} as other where other.id = apart.id)
            then pg_catalog.gen_random_uuid()
            else apart.id
        end,
        'jobs', reason, coalesce(%(now)s::timestamptz, now()), id,
        {job_names}
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
    insert into {jobs_unreadable} (id, origin, reason, found_at, job_id, {succeeded_names})
    select
        case
            when exists (select from {jobs_unreadable} as other where other.id = apart.id)
            then pg_catalog.gen_random_uuid()
            else apart.id
        end,
        'jobs_succeeded', reason, coalesce(%(now)s::timestamptz, now()), id,
        {succeeded_names}
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
    insert into {jobs_unreadable} (id, origin, reason, found_at, job_id, {failed_names})
    select
        case
            when exists (select from {jobs_unreadable} as other where other.id = apart.id)
            then pg_catalog.gen_random_uuid()
            else apart.id
        end,
        'jobs_failed', reason, coalesce(%(now)s::timestamptz, now()), id,
        {failed_names}
    from apart
    returning *
)
select job_id, reserved_by, reservations, id, found_at from kept;
