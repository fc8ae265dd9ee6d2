-- name: cancel_running
-- Records a command for jobs that are running; the owner of each reads it with its next
-- heartbeat. A second command for the same job replaces the first.
insert into {cancellations} (job_id, reason, cancelled_by, asked_at)
select job.id, :reason, :by, :now
from json_each(:ids) as asked cross join {jobs} as job on job.id = asked.value
where job.reserved_by is not null
on conflict (job_id) do update set
    reason = excluded.reason, cancelled_by = excluded.cancelled_by
returning job_id;


-- name: record_cancelled
-- Copies waiting jobs to the cancelled ones. cancel_waiting deletes them in the same transaction.
insert into {jobs_cancelled} (id, {cancelled_names})
select job.id, {job_names of job}, :reason, :by, :now
from json_each(:ids) as asked cross join {jobs} as job on job.id = asked.value
where job.reserved_by is null;


-- name: cancel_waiting
-- Deletes the waiting jobs that record_cancelled has copied.
delete from {jobs} where rowid in (
    select job.rowid
    from json_each(:ids) as asked cross join {jobs} as job on job.id = asked.value
    where job.reserved_by is null
)
returning id, has_children;


-- name: commands
-- Returns paused queues, which have no id, and cancelled running jobs, which have a reason and
-- perhaps an author. Texts that are longer than any that bgjobs writes are cut.
select null, name, null from {paused_queues}
union all
select asked.job_id, substr(asked.reason, 1, 1000), substr(asked.cancelled_by, 1, 200)
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
-- number, and releasing the job does not take it back. A job with children stays.
delete from {jobs}
where id = :id and reserved_by is null and reservations = :reservations and not has_children
returning id;


-- name: forget_old_cancellations
-- Deletes the commands that were meant for the run that has ended, so that they do not cancel the
-- next one.
delete from {cancellations} where job_id in (
    select asked.value
    from json_each(:ids) as asked
    where exists (select 1 from {jobs_failed} as job where job.id = asked.value)
        or exists (select 1 from {jobs_cancelled} as job where job.id = asked.value)
);


-- name: retry
-- Stores failed and cancelled jobs as waiting ones with a full retry budget. The count of
-- reservations goes on, so that a process that still holds an old reservation cannot settle the new
-- one. The end is added to the history as text, because the history may not be valid JSON. It is not
-- added to a history that is longer than :longest.
with ended (id, {job_names}, entry) as (
    select
        job.id, {job_names of job},
        json_array(
            'end', 'failed', job.failed_at,
            substr(job.error, 1, instr(substr(job.error, 1, 200) || char(10), char(10)) - 1),
            null, :now, :by
        )
    from json_each(:ids) as asked cross join {jobs_failed} as job on job.id = asked.value
    union all
    select
        job.id, {job_names of job},
        json_array(
            'end', 'cancelled', job.cancelled_at,
            substr(
                job.cancel_reason, 1,
                instr(substr(job.cancel_reason, 1, 200) || char(10), char(10)) - 1
            ),
            job.cancelled_by, :now, :by
        )
    from json_each(:ids) as asked cross join {jobs_cancelled} as job on job.id = asked.value
)
insert into {jobs} (id, {kept_names}, available_at, unique_key, history)
select
    job.id, {kept_names of job}, :now,
    case when job.occurrence is null then job.unique_key end,
    case
        when job.history is null or job.history = '[]' then '[' || job.entry || ']'
        when job.history not like '[%]' or length(cast(job.history as blob)) > :longest
            then job.history
        else substr(job.history, 1, length(job.history) - 1) || ',' || job.entry || ']'
    end
from ended as job
where true
on conflict do nothing
returning id;


-- name: delete_retried_failed
-- Deletes the failed jobs that are live again.
delete from {jobs_failed} where rowid in (
    select job.rowid
    from json_each(:ids) as asked cross join {jobs_failed} as job on job.id = asked.value
    where exists (select 1 from {jobs} as live where live.id = job.id)
);


-- name: delete_retried_cancelled
-- Deletes the cancelled jobs that are live again.
delete from {jobs_cancelled} where rowid in (
    select job.rowid
    from json_each(:ids) as asked cross join {jobs_cancelled} as job on job.id = asked.value
    where exists (select 1 from {jobs} as live where live.id = job.id)
);


-- name: restore
-- Stores failed jobs as they are given, except those whose id is stored already.
insert into {jobs_failed} (id, {failed_names})
select {failed_values}
from json_each(:jobs) as job
where not exists (
    select 1 from {jobs} where id = json_extract(job.value, '$[0]')
) and not exists (
    select 1 from {jobs_succeeded} where id = json_extract(job.value, '$[0]')
) and not exists (
    select 1 from {jobs_cancelled} where id = json_extract(job.value, '$[0]')
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
