-- name: cancel
-- First those that wait, which become failed ones; one that has ended before and was stored once
-- more ends without a trace, as in fail.sql. One that is reserved at this moment is waited for, is
-- found to be no waiting one any more, and is seen by the second statement. One that is put back
-- between them is seen when the first is run again.
with cancelled as (
    delete from {jobs} as job
    where job.id = any(%(ids)s::uuid[]) and job.reserved_by is null
    returning job.*
), recorded as (
    insert into {jobs_failed} (
        id, name, payload, priority, attempts, crashes, interruptions, reservations,
        created_at, available_at, reserved_at, reserved_by, unique_key, errors, occurrence,
        metadata, error, failed_at
    )
    select
        id, name, payload, priority, attempts, crashes, interruptions, reservations,
        created_at, available_at, reserved_at, reserved_by, unique_key, errors, occurrence,
        metadata, %(error)s, coalesce(%(now)s::timestamptz, now())
    from cancelled
    where id <> all(array(
        select ended.id from {jobs_succeeded} as ended where ended.id = any(%(ids)s::uuid[])
        union all
        select ended.id from {jobs_failed} as ended where ended.id = any(%(ids)s::uuid[])
    ))
)
select id from cancelled;

insert into {cancellations} (job_id, reason, asked_at)
select job.id, %(reason)s, coalesce(%(now)s::timestamptz, now())
from {jobs} as job
where job.id = any(%(ids)s::uuid[]) and job.reserved_by is not null
order by job.id
on conflict (job_id) do update set reason = excluded.reason
returning job_id;


-- name: commands
-- The paused queues have no id; the jobs to be cancelled have a reason.
select null::uuid, name from {paused_queues}
union all
select asked.job_id, pg_catalog.left(asked.reason, 1000)
from {cancellations} as asked join {jobs} as job on job.id = asked.job_id
where job.reserved_by = any(%(owners)s::uuid[]);


-- name: forget_cancellations
delete from {cancellations} where job_id in (
    select asked.job_id from {cancellations} as asked
    where not exists (select from {jobs} as job where job.id = asked.job_id)
    for update skip locked
);


-- name: change
update {jobs} as job set
    available_at = coalesce(
        %(available_at)s::timestamptz,
        coalesce(%(now)s::timestamptz, now())
            + %(delay)s::double precision * interval '1 microsecond',
        job.available_at
    ),
    priority = coalesce(%(priority)s::smallint, job.priority)
where job.id = any(%(ids)s::uuid[])
    and job.reserved_by is null
    and job.occurrence is null
returning job.id;


-- name: replace
-- The number tells whether it was reserved, and released again, since it was read.
delete from {jobs}
where id = %(id)s and reserved_by is null and reservations = %(reservations)s
returning id;


-- name: retry
-- The numbers of reservations go on, so that whoever held it before has an old one.
with asked as (
    select
        id, name, payload, priority, reservations, created_at, unique_key, errors, occurrence,
        metadata
    from {jobs_failed}
    where id = any(%(ids)s::uuid[])
    order by id
    for update
), again as (
    insert into {jobs} (
        id, name, payload, priority, reservations, created_at, available_at, unique_key,
        errors, metadata
    )
    select
        id, name, payload, priority, reservations, created_at,
        coalesce(%(now)s::timestamptz, now()),
        case when occurrence is null then unique_key end, errors, metadata
    from asked
    on conflict do nothing
    returning id
), gone as (
    delete from {jobs_failed} where id = any(array(select id from again))
), forgotten as (
    delete from {cancellations} where job_id in (select id from again)
)
select id from again;


-- name: restore
insert into {jobs_failed} (
    id, name, payload, priority, attempts, crashes, interruptions, reservations,
    created_at, available_at, reserved_at, reserved_by, unique_key, errors, occurrence,
    metadata, error, failed_at
)
select
    restored.id, restored.name, restored.payload, restored.priority, restored.attempts,
    restored.crashes, restored.interruptions, restored.reservations, restored.created_at,
    restored.available_at, restored.reserved_at, restored.reserved_by::uuid,
    restored.unique_key, restored.errors, restored.occurrence, restored.metadata,
    restored.error, restored.failed_at
from unnest(
    %(ids)s::uuid[], %(names)s::text[], %(payloads)s::text[], %(priorities)s::smallint[],
    %(attempts)s::integer[], %(crashes)s::integer[], %(interruptions)s::integer[],
    %(numbers)s::integer[], %(created_ats)s::timestamptz[], %(available_ats)s::timestamptz[],
    %(reserved_ats)s::timestamptz[], %(owners)s::text[], %(unique_keys)s::text[],
    %(errors)s::text[], %(occurrences)s::text[], %(metadata)s::text[], %(reasons)s::text[],
    %(failed_ats)s::timestamptz[]
) as restored (
    id, name, payload, priority, attempts, crashes, interruptions, reservations,
    created_at, available_at, reserved_at, reserved_by, unique_key, errors, occurrence,
    metadata, error, failed_at
)
where not exists (select from {jobs} as live where live.id = restored.id)
    and not exists (select from {jobs_succeeded} as ended where ended.id = restored.id)
on conflict (id) do nothing
returning id;

-- One that was retried while it was stored is live again, which only a later statement sees.
delete from {jobs_failed} as job
where job.id = any(%(ids)s::uuid[])
    and exists (select from {jobs} as live where live.id = job.id)
returning job.id;


-- name: pause_queue
insert into {paused_queues} (name, paused_at)
values (%(name)s, coalesce(%(now)s::timestamptz, now()))
on conflict do nothing
returning name;


-- name: resume_queue
delete from {paused_queues} where name = %(name)s returning name;
