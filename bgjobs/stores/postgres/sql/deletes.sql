-- name: delete_waiting
-- A job that another transaction is reserving is waited for; it then runs, and stays. The rows are locked
-- in the order of their ids.
delete from {jobs} as job
where job.id = any(array(
        select one.id from {jobs} as one
        where one.id = any(%(ids)s::uuid[]) and one.reserved_by is null
        order by one.id
        for update
    ))
    and job.reserved_by is null
returning job.id, job.has_children;


-- name: delete_ended
-- All tables in one statement, so that a job that moves from one to another is not missed. A job that
-- is live again stays.
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
), cancelled as (
    delete from {jobs_cancelled} as job
    where job.id = any(%(ids)s::uuid[])
        and job.id <> all(array(
            select live.id from {jobs} as live where live.id = any(%(ids)s::uuid[])
        ))
    returning job.id
)
select id from succeeded
union
select id from failed
union
select id from cancelled;


-- name: delete_unreadable
delete from {jobs_unreadable} where id = any(%(ids)s::uuid[]) returning id;


-- name: delete_cancellations
-- Of deleted jobs: a new job may be stored under the id of a deleted one, and must not be cancelled.
delete from {cancellations} as asked
where asked.job_id = any(%(ids)s::uuid[])
    and asked.job_id <> all(array(
        select live.id from {jobs} as live where live.id = any(%(ids)s::uuid[])
    ))
returning asked.job_id;


-- name: drop
-- Delete reserved jobs that never started, without a record in the tables of ended jobs.
delete from {jobs} as job
using unnest(%(ids)s::uuid[], %(owners)s::uuid[], %(numbers)s::integer[])
    as held (id, owner, number)
where job.id = held.id
    and job.reserved_by = held.owner
    and job.reservations = held.number
    and not job.has_children
returning job.id, job.reserved_by, job.reservations;


-- name: prune_succeeded
-- "skip locked": several processes prune at once, and none waits for another.
with pruned as (
    delete from {jobs_succeeded} where id = any(array(
        select job.id from {jobs_succeeded} as job
        where succeeded_at < coalesce(%(now)s::timestamptz, now())
            - %(kept_for)s::double precision * interval '1 microsecond'
            and not exists (
                select from {children} as child
                where child.child_id = job.id and (
                    exists (select from {jobs} as live where live.id = child.parent_id)
                    or exists (select from {owners} as live where live.id = child.parent_id)
                )
            )
        order by succeeded_at
        limit %(limit)s offset %(skip)s
        for update of job skip locked
    ))
    returning id
), forgotten as (
    delete from {children} where child_id in (select id from pruned)
)
select id from pruned;


-- name: prune_failed
with pruned as (
    delete from {jobs_failed} where id = any(array(
        select job.id from {jobs_failed} as job
        where failed_at < coalesce(%(now)s::timestamptz, now())
            - %(kept_for)s::double precision * interval '1 microsecond'
            and not exists (
                select from {children} as child
                where child.child_id = job.id and (
                    exists (select from {jobs} as live where live.id = child.parent_id)
                    or exists (select from {owners} as live where live.id = child.parent_id)
                )
            )
        order by failed_at
        limit %(limit)s offset %(skip)s
        for update of job skip locked
    ))
    returning id
), forgotten as (
    delete from {children} where child_id in (select id from pruned)
)
select id from pruned;


-- name: prune_cancelled
with pruned as (
    delete from {jobs_cancelled} where id = any(array(
        select job.id from {jobs_cancelled} as job
        where cancelled_at < coalesce(%(now)s::timestamptz, now())
            - %(kept_for)s::double precision * interval '1 microsecond'
            and not exists (
                select from {children} as child
                where child.child_id = job.id and (
                    exists (select from {jobs} as live where live.id = child.parent_id)
                    or exists (select from {owners} as live where live.id = child.parent_id)
                )
            )
        order by cancelled_at
        limit %(limit)s offset %(skip)s
        for update of job skip locked
    ))
    returning id
), forgotten as (
    delete from {children} where child_id in (select id from pruned)
)
select id from pruned;


-- name: prune_worker_succeeded
-- In the order of the index of this worker's jobs, which is that of their ids.
with pruned as (
    delete from {jobs_succeeded} where id = any(array(
        select job.id from {jobs_succeeded} as job
        where name = %(name)s
            and succeeded_at < coalesce(%(now)s::timestamptz, now())
                - %(kept_for)s::double precision * interval '1 microsecond'
            and not exists (
                select from {children} as child
                where child.child_id = job.id and (
                    exists (select from {jobs} as live where live.id = child.parent_id)
                    or exists (select from {owners} as live where live.id = child.parent_id)
                )
            )
        order by id
        limit %(limit)s offset %(skip)s
        for update of job skip locked
    ))
    returning id
), forgotten as (
    delete from {children} where child_id in (select id from pruned)
)
select id from pruned;


-- name: prune_worker_failed
with pruned as (
    delete from {jobs_failed} where id = any(array(
        select job.id from {jobs_failed} as job
        where name = %(name)s
            and failed_at < coalesce(%(now)s::timestamptz, now())
                - %(kept_for)s::double precision * interval '1 microsecond'
            and not exists (
                select from {children} as child
                where child.child_id = job.id and (
                    exists (select from {jobs} as live where live.id = child.parent_id)
                    or exists (select from {owners} as live where live.id = child.parent_id)
                )
            )
        order by id
        limit %(limit)s offset %(skip)s
        for update of job skip locked
    ))
    returning id
), forgotten as (
    delete from {children} where child_id in (select id from pruned)
)
select id from pruned;


-- name: prune_worker_cancelled
with pruned as (
    delete from {jobs_cancelled} where id = any(array(
        select job.id from {jobs_cancelled} as job
        where name = %(name)s
            and cancelled_at < coalesce(%(now)s::timestamptz, now())
                - %(kept_for)s::double precision * interval '1 microsecond'
            and not exists (
                select from {children} as child
                where child.child_id = job.id and (
                    exists (select from {jobs} as live where live.id = child.parent_id)
                    or exists (select from {owners} as live where live.id = child.parent_id)
                )
            )
        order by id
        limit %(limit)s offset %(skip)s
        for update of job skip locked
    ))
    returning id
), forgotten as (
    delete from {children} where child_id in (select id from pruned)
)
select id from pruned;


-- name: prune_owners
-- Owners that were closed before the first of the jobs that have ended, so that they ended none of them.
-- A reservation that was on its way when its owner was closed may hold a job.
delete from {past_owners} as owner
where owner.closed_at < coalesce(
        least(
            (select pg_catalog.min(succeeded_at) from {jobs_succeeded}),
            (select pg_catalog.min(failed_at) from {jobs_failed}),
            (select pg_catalog.min(cancelled_at) from {jobs_cancelled})
        ),
        'infinity'
    )
    and not exists (select from {jobs} as job where job.reserved_by = owner.id);
