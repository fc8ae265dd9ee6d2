-- First those that run, then those that wait: these become failed ones.
insert into {cancellations} (job_id, reason, asked_at)
select job.id, :reason, :now
from json_each(:ids) as asked cross join {jobs} as job on job.id = asked.value
where job.reserved_by is not null
on conflict (job_id) do update set reason = excluded.reason
returning job_id;

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

delete from {jobs} where rowid in (
    select job.rowid
    from json_each(:ids) as asked cross join {jobs} as job on job.id = asked.value
    where job.reserved_by is null
)
returning id;
