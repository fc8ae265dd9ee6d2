-- First those that wait, then those that have ended, unless one is live again and runs.
delete from {jobs} where rowid in (
    select job.rowid
    from json_each(:ids) as asked cross join {jobs} as job on job.id = asked.value
    where job.reserved_by is null
)
returning id;

delete from {jobs_succeeded} where rowid in (
    select job.rowid
    from json_each(:ids) as asked cross join {jobs_succeeded} as job on job.id = asked.value
    where not exists (select 1 from {jobs} as live where live.id = job.id)
)
returning id;

delete from {jobs_failed} where rowid in (
    select job.rowid
    from json_each(:ids) as asked cross join {jobs_failed} as job on job.id = asked.value
    where not exists (select 1 from {jobs} as live where live.id = job.id)
)
returning id;

delete from {jobs_unreadable} where id in (select value from json_each(:ids)) returning id;

-- What was asked of a job that is gone would meet another one that is stored under its id.
delete from {cancellations} where job_id in (
    select asked.value from json_each(:ids) as asked
    where not exists (select 1 from {jobs} as live where live.id = asked.value)
);
