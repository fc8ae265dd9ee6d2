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
