-- name: cancel_waiting
-- Waiting jobs become cancelled jobs. As in `cancel`, a job whose id has ended before is deleted
-- without a record.
-- A job that another transaction is reserving is waited for; it then runs, is skipped here, and is
-- left to `cancel_running`. This statement is run again after that one, for jobs that were put back
-- between the two. Ends with a function of the application are left to `mark_waiting`.
with cancelled as (
    delete from {jobs} as job
    where job.id = any(%(ids)s::uuid[])
        and job.reserved_by is null
        and not exists (
            select from {failure_hooks} as hook where hook.name = job.name and hook.on_cancelled
        )
    returning job.*
), recorded as (
    insert into {jobs_cancelled} (id, {cancelled_names})
    select
        id, {job_names}, %(reason)s::text, %(author)s::text,
        coalesce(%(now)s::timestamptz, now())
    from cancelled
    where id <> all(array(
        select ended.id from {jobs_succeeded} as ended where ended.id = any(%(ids)s::uuid[])
        union all
        select ended.id from {jobs_failed} as ended where ended.id = any(%(ids)s::uuid[])
        union all
        select ended.id from {jobs_cancelled} as ended where ended.id = any(%(ids)s::uuid[])
    ))
)
select id, has_children from cancelled;


-- name: cancel_running
-- Ask the owners of running jobs to cancel them. The rows are written in the order of their ids, so
-- that two such statements cannot deadlock.
insert into {cancellations} (job_id, reason, cancelled_by, asked_at)
select job.id, %(reason)s::text, %(author)s::text, coalesce(%(now)s::timestamptz, now())
from {jobs} as job
where job.id = any(%(ids)s::uuid[]) and job.reserved_by is not null
order by job.id
on conflict (job_id) do update set
    reason = excluded.reason, cancelled_by = excluded.cancelled_by
returning job_id;


-- name: commands
-- What these owners are asked to do. A row without an id names a paused queue; the others are jobs to
-- cancel, with the reason and who asked for it.
select null::uuid, name, null::text from {paused_queues}
union all
select
    asked.job_id, pg_catalog.left(asked.reason, 1000), pg_catalog.left(asked.cancelled_by, 200)
from {cancellations} as asked join {jobs} as job on job.id = asked.job_id
where job.reserved_by = any(%(owners)s::uuid[]);


-- name: forget_cancellations
-- Of jobs that have ended. "skip locked", because several processes do this at once.
-- https://www.postgresql.org/docs/current/sql-select.html#SQL-FOR-UPDATE-SHARE
delete from {cancellations} where job_id in (
    select asked.job_id from {cancellations} as asked
    where not exists (select from {jobs} as job where job.id = asked.job_id)
    for update skip locked
);


-- name: change
-- Waiting jobs only, and none of a scheduled job: its time follows from its schedule. The rows are locked
-- in the order of their ids.
update {jobs} as job set
    available_at = coalesce(
        %(available_at)s::timestamptz,
        coalesce(%(now)s::timestamptz, now())
            + %(delay)s::double precision * interval '1 microsecond',
        job.available_at
    ),
    priority = coalesce(%(priority)s::smallint, job.priority)
where job.id = any(array(
        select one.id from {jobs} as one
        where one.id = any(%(ids)s::uuid[]) and one.reserved_by is null
        order by one.id
        for update
    ))
    and job.reserved_by is null
    and job.occurrence is null
returning job.id;


-- name: replace
-- The number of reservations shows whether the job was reserved and released since it was read. A job
-- with children stays.
delete from {jobs}
where id = %(id)s
    and reserved_by is null
    and reservations = %(reservations)s
    and not has_children
returning id;


-- name: retry
-- The job keeps its number of reservations, so that no earlier owner of it can settle the new run.
-- A job whose unique key is taken, or whose id is live, stays as it is.
-- An entry of the history is written as by `dump_history`. It is appended as text, because a history
-- that another program wrote need not be JSON: such a text stays as it is, and so does a long one.
with failed as (
    select id, {kept_names}, unique_key, occurrence, history, 'failed' as state, failed_at as at,
        error as text, null::text as author
    from {jobs_failed}
    where id = any(%(ids)s::uuid[])
    order by id
    for update
), cancelled as (
    select id, {kept_names}, unique_key, occurrence, history, 'cancelled' as state,
        cancelled_at as at, cancel_reason as text, cancelled_by as author
    from {jobs_cancelled}
    where id = any(%(ids)s::uuid[])
    order by id
    for update
), asked as (
    select
        job.*,
        pg_catalog.json_build_array(
            'end', job.state, time_of.ended,
            pg_catalog.split_part(pg_catalog.left(job.text, 200), pg_catalog.chr(10), 1),
            job.author, time_of.retried, %(author)s::text
        )::text as entry
    from (select * from failed union all select * from cancelled) as job
    cross join lateral (
        -- A time that no datetime represents becomes the nearest one.
        select
            (
                extract(epoch from least(
                    greatest(job.at, '0001-01-01 00:00:00+00'),
                    '9999-12-31 23:59:59.999999+00'
                )) * 1000000
            )::bigint as ended,
            (
                extract(epoch from coalesce(%(now)s::timestamptz, now())) * 1000000
            )::bigint as retried
    ) as time_of
), again as (
    insert into {jobs} (id, {kept_names}, available_at, unique_key, history)
    select
        id, {kept_names}, coalesce(%(now)s::timestamptz, now()),
        case when occurrence is null then unique_key end,
        case
            when history is null or history = '[]' then '[' || entry || ']'
            when pg_catalog.octet_length(history) <= %(longest)s
                and pg_catalog.left(history, 2) = '[[' and pg_catalog.right(history, 2) = ']]'
                then pg_catalog.left(history, -1) || ',' || entry || ']'
            else history
        end
    from asked
    on conflict do nothing
    returning id
), deleted_failed as (
    delete from {jobs_failed} where id = any(array(select id from again))
), deleted_cancelled as (
    delete from {jobs_cancelled} where id = any(array(select id from again))
), forgotten as (
    delete from {cancellations} where job_id in (select id from again)
)
select id from again;


-- name: restore
-- Failed jobs from an export. A job whose id is known stays as it is.
insert into {jobs_failed} (id, {failed_names})
select restored.id, {failed_names of restored}
from unnest({failed_values}) as restored (id, {failed_names})
where not exists (select from {jobs} as live where live.id = restored.id)
    and not exists (select from {jobs_succeeded} as ended where ended.id = restored.id)
    and not exists (select from {jobs_cancelled} as ended where ended.id = restored.id)
on conflict (id) do nothing
returning id;


-- name: delete_restored
-- A job that another process retried while `restore` ran is live, and must not be failed as well. Only
-- a later statement sees it: under read committed, each takes a snapshot of its own.
-- https://www.postgresql.org/docs/current/transaction-iso.html#XACT-READ-COMMITTED
delete from {jobs_failed} as job
where job.id = any(%(ids)s::uuid[])
    and exists (select from {jobs} as live where live.id = job.id)
returning job.id;


-- name: pause_queue
insert into {paused_queues} (name, paused_at)
values (%(name)s, coalesce(%(now)s::timestamptz, now()))
on conflict do nothing
returning name;


-- name: resume_queue
delete from {paused_queues} where name = %(name)s returning name;
