-- name: register_hooks
-- The rows are written in the order of the names, so that two processes cannot deadlock.
insert into {failure_hooks} (name, on_cancelled, registered_at)
select given.name, given.on_cancelled, coalesce(%(now)s::timestamptz, now())
from unnest(%(names)s::text[], %(cancelled)s::boolean[]) as given (name, on_cancelled)
order by given.name
on conflict (name) do update set
    on_cancelled = excluded.on_cancelled, registered_at = excluded.registered_at;


-- name: open_hook_owner
-- The owner of jobs whose end is marked. Its lease ends with the calendar, so that no version of bgjobs
-- releases them.
insert into {owners} (id, name, node, opened_at, lease_expires_at)
values (
    %(owner)s::uuid, 'on_failure', 'waits for a process with the worker',
    coalesce(%(now)s::timestamptz, now()), '9999-12-31 00:00:00+00'
)
on conflict (id) do nothing;


-- name: mark_end
-- The reservation is taken over by the owner of marked ends, under the same number.
with held as materialized (
    select *
    from unnest(
        %(ids)s::uuid[], %(owners)s::uuid[], %(numbers)s::integer[], {settled_values},
        %(reasons)s::text[], %(authors)s::text[]
    ) as held (id, owner, number, {settled_names}, reason, author)
), marked as (
    update {jobs} as job set {settled_set of held}, reserved_by = %(owner)s::uuid
    from held, {failure_hooks} as hook
    where job.id = held.id
        and job.reserved_by = held.owner
        and job.reservations = held.number
        and hook.name = job.name
        and (hook.on_cancelled or %(state)s::text = 'failed')
    returning held.id, held.owner, held.reason, held.author
)
insert into {marked_ends} (job_id, state, reason, author, reserved_by, marked_at)
select
    id, %(state)s::text, reason, author, owner, coalesce(%(now)s::timestamptz, now())
from marked
on conflict (job_id) do update set
    state = excluded.state, reason = excluded.reason, author = excluded.author,
    reserved_by = excluded.reserved_by, tries = 0, begun_at = null, marked_at = excluded.marked_at
returning job_id;


-- name: mark_waiting
-- The ends of cancelled jobs whose workers have a function for them. As in `cancel_waiting`, a job that
-- another transaction is reserving is waited for, and skipped here. This statement is the first of
-- several, so it locks all waiting jobs among these, in the order of their ids.
with marked as (
    update {jobs} as job set
        reservations = job.reservations + 1,
        reserved_by = %(owner)s::uuid,
        reserved_at = coalesce(%(now)s::timestamptz, now())
    from {failure_hooks} as hook
    where job.id = any(array(
            select one.id from {jobs} as one
            where one.id = any(%(ids)s::uuid[]) and one.reserved_by is null
            order by one.id
            for update
        ))
        and job.reserved_by is null
        and hook.name = job.name
        and hook.on_cancelled
    returning job.id
)
insert into {marked_ends} (job_id, state, reason, author, marked_at)
select
    id, 'cancelled', %(reason)s::text, %(author)s::text, coalesce(%(now)s::timestamptz, now())
from marked
on conflict (job_id) do update set
    state = excluded.state, reason = excluded.reason, author = excluded.author,
    reserved_by = excluded.reserved_by, tries = 0, begun_at = null, marked_at = excluded.marked_at
returning job_id;


-- name: marked_names
-- The workers whose jobs have a marked end. There are few such jobs at any time.
select distinct {limited job.name}
from {marked_ends} as mark join {jobs} as job on job.id = mark.job_id
where job.reserved_by = %(owner)s::uuid;


-- name: marked_ends
-- The end comes after the columns of the job. Texts are cut as those of `commands`.
select
    {job_columns of job}, mark.state, pg_catalog.left(mark.reason, 8192),
    pg_catalog.left(mark.author, 200)
from {marked_ends} as mark join {jobs} as job on job.id = mark.job_id
where job.reserved_by = %(owner)s::uuid
    and job.name = any(%(names)s::text[])
    and job.id >= coalesce(%(after)s::uuid, '00000000-0000-0000-0000-000000000000')
    and job.id is distinct from %(after)s
order by job.id
limit %(limit)s;


-- name: begin_marked
-- A process that waits for the row of another one sees that the mark was begun a moment ago.
update {marked_ends} set tries = tries + 1, begun_at = coalesce(%(now)s::timestamptz, now())
where job_id = %(id)s::uuid
    and (
        begun_at is null
        or begun_at <= coalesce(%(now)s::timestamptz, now())
            - %(patience)s::double precision * interval '1 microsecond'
    )
returning tries;


-- name: unmark
-- The job has ended in this transaction. It gets back the reservation that it had before. A
-- cancelled one may have had none.
with mark as (
    delete from {marked_ends} where job_id = %(id)s::uuid returning job_id, reserved_by
), failed as (
    update {jobs_failed} as job set reserved_by = mark.reserved_by
    from mark where job.id = mark.job_id
)
update {jobs_cancelled} as job set
    reserved_by = mark.reserved_by,
    reserved_at = case when mark.reserved_by is not null then job.reserved_at end,
    reservations = job.reservations - (mark.reserved_by is null)::integer
from mark where job.id = mark.job_id;


-- name: delete_marked
-- Jobs whose end is marked do not run, so they are deleted like waiting ones.
with deleted as (
    delete from {jobs} as job
    where job.id = any(%(ids)s::uuid[]) and job.reserved_by = %(owner)s::uuid
    returning job.id, job.has_children
), marks as (
    delete from {marked_ends} where job_id in (select id from deleted)
)
select id, has_children from deleted;
