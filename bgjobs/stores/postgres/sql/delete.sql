-- First those that wait: one that is reserved at this moment is waited for, is found to be no
-- waiting one any more, and stays. Then those that have ended, unless one is live again and runs.
delete from {jobs} as job
where job.id = any(%(ids)s::uuid[]) and job.reserved_by is null
returning job.id;

with succeeded as (
    delete from {jobs_succeeded} as job
    where job.id = any(%(ids)s::uuid[])
        and job.id <> all(array(
            select live.id from {jobs} as live where live.id = any(%(ids)s::uuid[])
        ))
    returning job.id
), failed as (
    delete from {jobs_failed} as job
    where job.id = any(%(ids)s::uuid[])
        and job.id <> all(array(
            select live.id from {jobs} as live where live.id = any(%(ids)s::uuid[])
        ))
    returning job.id
)
select id from succeeded
union
select id from failed;

delete from {jobs_unreadable} where id = any(%(ids)s::uuid[]) returning id;

-- What was asked of a job that is gone would meet another one that is stored under its id.
delete from {cancellations} as asked
where asked.job_id = any(%(ids)s::uuid[])
    and asked.job_id <> all(array(
        select live.id from {jobs} as live where live.id = any(%(ids)s::uuid[])
    ))
returning asked.job_id;
