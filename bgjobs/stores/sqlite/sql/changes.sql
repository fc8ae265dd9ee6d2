-- name: cancel_running
-- Records a command for jobs that are running; the owner of each reads it with its next
-- heartbeat. A second command for the same job replaces the reason of the first.
insert into {cancellations} (job_id, reason, asked_at)
select job.id, :reason, :now
from json_each(:ids) as asked cross join {jobs} as job on job.id = asked.value
where job.reserved_by is not null
on conflict (job_id) do update set reason = excluded.reason
returning job_id;


-- name: record_cancelled
-- Copies waiting jobs to the failed ones. cancel_waiting deletes them in the same transaction.
insert into {jobs_failed} (
    id, name, payload, priority, attempts, crashes, interruptions, reservations,
    created_at, available_at, reserved_at, reserved_by, unique_key, errors, occurrence,
    metadata, error, failed_at
)
select
    job.id, job.name, job.payload, job.priority,
    job.attempts, job.crashes, job.interruptions, job.reservations,
    job.created_at, job.available_at, job.reserved_at, job.reserved_by, job.unique_key,
    job.errors, job.occurrence, job.metadata, :error, :now
from json_each(:ids) as asked cross join {jobs} as job on job.id = asked.value
where job.reserved_by is null;


-- name: cancel_waiting
-- Deletes the waiting jobs that record_cancelled has copied.
delete from {jobs} where rowid in (
    select job.rowid
    from json_each(:ids) as asked cross join {jobs} as job on job.id = asked.value
    where job.reserved_by is null
)
returning id;


-- name: commands
-- Returns paused queues, which have no id, and cancelled running jobs, which have a reason. A
-- reason that is longer than any that bgjobs writes is cut.
select null, name from {paused_queues}
union all
select asked.job_id, substr(asked.reason, 1, 1000)
from {cancellations} as asked cross join {jobs} as job on job.id = asked.job_id
where job.reserved_by in (select value from json_each(:owners));


-- name: forget_cancellations
-- Deletes the commands for jobs that are not live any more.
delete from {cancellations} where job_id in (
    select asked.job_id from {cancellations} as asked
    where not exists (select 1 from {jobs} as job where job.id = asked.job_id)
);


-- name: change
-- Changes waiting jobs only. Occurrences of schedules stay as their schedule planned them.
update {jobs} set
    available_at = coalesce(:available_at, available_at),
    priority = coalesce(:priority, priority)
where reserved_by is null
    and occurrence is null
    and id in (select value from json_each(:ids))
returning id;


-- name: replace
-- Deletes a job only if it was not reserved since it was read: each reservation increments the
-- number, and releasing the job does not take it back.
delete from {jobs}
where id = :id and reserved_by is null and reservations = :reservations
returning id;


-- name: forget_old_cancellations
-- Deletes the commands that were meant for the failed run, so that they do not cancel the next one.
delete from {cancellations} where job_id in (
    select job.id
    from json_each(:ids) as asked cross join {jobs_failed} as job on job.id = asked.value
);


-- name: retry
-- Stores failed jobs as waiting ones with a full retry budget. The count of reservations goes on,
-- so that a process that still holds an old reservation cannot settle the new one.
insert into {jobs} (
    id, name, payload, priority, reservations, created_at, available_at, unique_key, errors,
    metadata
)
select
    job.id, job.name, job.payload, job.priority, job.reservations, job.created_at, :now,
    case when job.occurrence is null then job.unique_key end, job.errors, job.metadata
from json_each(:ids) as asked cross join {jobs_failed} as job on job.id = asked.value
where true
on conflict do nothing
returning id;


-- name: delete_retried
-- Deletes the failed jobs that are live again.
delete from {jobs_failed} where rowid in (
    select job.rowid
    from json_each(:ids) as asked cross join {jobs_failed} as job on job.id = asked.value
    where exists (select 1 from {jobs} as live where live.id = job.id)
);


-- name: restore
-- Stores failed jobs as they are given, except those whose id is stored already.
insert into {jobs_failed} (
    id, name, payload, priority, attempts, crashes, interruptions, reservations,
    created_at, available_at, reserved_at, reserved_by, unique_key, errors, occurrence,
    metadata, error, failed_at
)
select
    json_extract(job.value, '$[0]'), json_extract(job.value, '$[1]'),
    json_extract(job.value, '$[2]'), json_extract(job.value, '$[3]'),
    json_extract(job.value, '$[4]'), json_extract(job.value, '$[5]'),
    json_extract(job.value, '$[6]'), json_extract(job.value, '$[7]'),
    json_extract(job.value, '$[8]'), json_extract(job.value, '$[9]'),
    json_extract(job.value, '$[10]'), json_extract(job.value, '$[11]'),
    json_extract(job.value, '$[12]'), json_extract(job.value, '$[13]'),
    json_extract(job.value, '$[14]'), json_extract(job.value, '$[15]'),
    json_extract(job.value, '$[16]'), json_extract(job.value, '$[17]')
from json_each(:jobs) as job
where not exists (
    select 1 from {jobs} where id = json_extract(job.value, '$[0]')
) and not exists (
    select 1 from {jobs_succeeded} where id = json_extract(job.value, '$[0]')
)
order by job.key
on conflict (id) do nothing
returning id;


-- name: pause_queue
-- Returns the name unless the queue was paused before.
insert into {paused_queues} (name, paused_at) values (:name, :now)
on conflict do nothing
returning name;


-- name: resume_queue
-- Returns the name if the queue was paused.
delete from {paused_queues} where name = :name returning name;
