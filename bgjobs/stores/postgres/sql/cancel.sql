-- First those that wait, which become failed ones. One that is reserved at this moment is waited
-- for, is found to be no waiting one any more, and is seen by the second statement.
with cancelled as (
    delete from {jobs} as job
    where job.id = any(%(ids)s::uuid[])
        and job.reserved_by is null
        and job.occurrence is null
    returning job.*
)
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
returning id;

insert into {cancellations} (job_id, reason, asked_at)
select job.id, %(reason)s, coalesce(%(now)s::timestamptz, now())
from {jobs} as job
where job.id = any(%(ids)s::uuid[]) and job.reserved_by is not null
order by job.id
on conflict (job_id) do update set reason = excluded.reason
returning job_id;
