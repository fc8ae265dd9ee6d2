-- name: cancel_waiting
-- Waiting jobs become failed jobs. As in `fail`, a job whose id has ended before is deleted without
-- a record.
-- A job that another transaction is reserving is waited for; it then runs, is skipped here, and is
-- left to `cancel_running`. This statement is run again after that one, for jobs that were put back
-- between the two.
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


-- name: cancel_running
-- Ask the owners of running jobs to cancel them. The rows are written in the order of their ids, so
-- that two such statements cannot deadlock.
insert into {cancellations} (job_id, reason, asked_at)
select job.id, %(reason)s, coalesce(%(now)s::timestamptz, now())
from {jobs} as job
where job.id = any(%(ids)s::uuid[]) and job.reserved_by is not null
order by job.id
on conflict (job_id) do update set reason = excluded.reason
returning job_id;


-- name: commands
-- What these owners are asked to do. A row without an id names a paused queue; the others are jobs to
-- cancel, with the reason.
select null::uuid, name from {paused_queues}
union all
select asked.job_id, pg_catalog.left(asked.reason, 1000)
from {cancellations} as asked join {jobs} as job on job.id = asked.job_id
where job.reserved_by = any(%(owners)s::uuid[]);


-- name: forget_cancellations
-- Of jobs that have ended. "skip locked", because several processes do this at once.
-- https://www.postgresql.org/docs/current/sql-select.html#SQL-FOR-UPDATE-SHARE
delete from {cancellations} where job_id in (
    select asked.job_id from {cancellations} as asked
    where not exists (select from {jobs} as job where job.id = asked.job_id)
    for update skip locked
);


-- name: change
-- Waiting jobs only, and none of a scheduled job: its time follows from its schedule.
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
-- The number of reservations shows whether the job was reserved and released since it was read.
delete from {jobs}
where id = %(id)s and reserved_by is null and reservations = %(reservations)s
returning id;


-- name: retry
-- The job keeps its number of reservations, so that no earlier owner of it can settle the new run.
-- A job whose unique key is taken, or whose id is live, stays failed.
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
), deleted as (
    delete from {jobs_failed} where id = any(array(select id from again))
), forgotten as (
    delete from {cancellations} where job_id in (select id from again)
)
select id from again;


-- name: restore
-- Failed jobs from an export. A job whose id is known stays as it is.
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


-- name: delete_restored
-- A job that another process retried while `restore` ran is live, and must not be failed as well. Only
-- a later statement sees it: under read committed, each takes a snapshot of its own.
-- https://www.postgresql.org/docs/current/transaction-iso.html#XACT-READ-COMMITTED
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
