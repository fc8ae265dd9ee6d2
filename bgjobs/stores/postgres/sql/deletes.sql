-- name: delete
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


-- name: drop
-- It never ran, so it goes to no table of ended jobs.
delete from {jobs} as job
using unnest(%(ids)s::uuid[], %(owners)s::uuid[], %(numbers)s::integer[])
    as held (id, owner, number)
where job.id = held.id
    and job.reserved_by = held.owner
    and job.reservations = held.number
returning job.id, job.reserved_by, job.reservations;


-- name: prune
delete from {jobs_succeeded} where id = any(array(
    select id from {jobs_succeeded}
    where succeeded_at < coalesce(%(now)s::timestamptz, now())
        - %(kept_for)s::double precision * interval '1 microsecond'
    order by succeeded_at
    limit %(limit)s offset %(skip)s
    for update skip locked
))
returning id;

delete from {jobs_failed} where id = any(array(
    select id from {jobs_failed}
    where failed_at < coalesce(%(now)s::timestamptz, now())
        - %(kept_for)s::double precision * interval '1 microsecond'
    order by failed_at
    limit %(limit)s offset %(skip)s
    for update skip locked
))
returning id;


-- name: prune_worker
delete from {jobs_succeeded} where id = any(array(
    select id from {jobs_succeeded}
    where name = %(name)s
        and succeeded_at < coalesce(%(now)s::timestamptz, now())
            - %(succeeded_for)s::double precision * interval '1 microsecond'
    order by id
    limit %(limit)s offset %(skip)s
    for update skip locked
))
returning id;

delete from {jobs_failed} where id = any(array(
    select id from {jobs_failed}
    where name = %(name)s
        and failed_at < coalesce(%(now)s::timestamptz, now())
            - %(failed_for)s::double precision * interval '1 microsecond'
    order by id
    limit %(limit)s offset %(skip)s
    for update skip locked
))
returning id;
