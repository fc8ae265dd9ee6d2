-- What was asked of the run that failed is not asked of the next.
delete from {cancellations} where job_id in (
    select job.id
    from json_each(:ids) as asked cross join {jobs_failed} as job on job.id = asked.value
);

-- The numbers of reservations go on, so that whoever held it before has an old one.
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

delete from {jobs_failed} where rowid in (
    select job.rowid
    from json_each(:ids) as asked cross join {jobs_failed} as job on job.id = asked.value
    where exists (select 1 from {jobs} as live where live.id = job.id)
);
