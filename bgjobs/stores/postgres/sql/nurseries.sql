-- name: lock_parents
-- Settlements that were lost may be those of jobs that have children, which the statements in settle.sql
-- leave alone. Those that still hold are locked, in the order of their ids. No child is stored until the
-- transaction has ended.
select job.id, job.reserved_by, job.reservations
from {jobs} as job
join unnest(%(ids)s::uuid[], %(owners)s::uuid[], %(numbers)s::integer[])
    as held (id, owner, number) on held.id = job.id
where job.reserved_by = held.owner
    and job.reservations = held.number
    and job.has_children
order by job.id
for update of job;


-- name: lock_children
-- The waiting children of these parents. The caller has locked the parents, or deleted them, by earlier
-- statements: this one sees each child that was stored or put back before. A child that another
-- transaction is reserving is waited for; it then runs, and is left to `ask_children`. `only` has the
-- ids of some, or is null.
select id, has_children
from {jobs}
where parent_id = any(%(ids)s::uuid[])
    and reserved_by is null
    and (%(only)s::uuid[] is null or id = any(%(only)s))
order by id
for update;


-- name: ask_children
-- Ask the owners of the running children of these parents to cancel them, as `cancel_running` does. The
-- end of a job whose end is marked is written already.
insert into {cancellations} (job_id, reason, cancelled_by, asked_at)
select job.id, %(reason)s::text, %(author)s::text, coalesce(%(now)s::timestamptz, now())
from {jobs} as job
where job.parent_id = any(%(ids)s::uuid[])
    and job.reserved_by is not null
    and job.reserved_by <> %(owner)s::uuid
    and (%(only)s::uuid[] is null or job.id = any(%(only)s))
order by job.id
on conflict (job_id) do update set
    reason = excluded.reason, cancelled_by = excluded.cancelled_by
returning job_id;


-- name: lock_parent
-- The parent can neither end nor be put back until the transaction has ended.
select has_children
from {jobs}
where id = %(id)s::uuid and reserved_by = %(owner)s::uuid and reservations = %(number)s
for update;


-- name: mark_parent
-- A statement that ends the job, and waits for this transaction, tests this column of the new row. Returns
-- how many ancestors the job has, which stay live while it is locked; those beyond the limit are not counted.
with recursive ancestors (id, number) as (
    select parent_id, 0 from {jobs} where id = %(id)s::uuid
    union all
    select job.parent_id, ancestors.number + 1
    from ancestors
    join {jobs} as job on job.id = ancestors.id
    where ancestors.number < %(deepest)s
)
update {jobs} set has_children = true
where id = %(id)s::uuid
returning (select max(number) from ancestors);


-- name: share_owner
-- The owner is not closed until the transaction has ended. "key share" does not wait for a renewal of
-- the lease, nor is it waited for.
select id
from {owners}
where id = %(id)s::uuid and lease_expires_at > coalesce(%(now)s::timestamptz, now())
for key share;


-- name: lock_owner
-- As `share_owner`, and no child of the owner is put back either.
select id
from {owners}
where id = %(id)s::uuid and lease_expires_at > coalesce(%(now)s::timestamptz, now())
for update;


-- name: find_children
select child_key, child_id
from {children}
where parent_id = %(id)s::uuid and child_key = any(%(keys)s::text[]);


-- name: list_children
select parent_id, child_key, child_id
from {children}
where parent_id = any(%(ids)s::uuid[])
    and child_id >= coalesce(%(after)s::uuid, '00000000-0000-0000-0000-000000000000')
    and child_id is distinct from %(after)s
order by child_id
limit %(limit)s;


-- name: children_live
-- The jobs of children, with the time. The tables of ended jobs are read after it, as a job moves.
select {job_columns of job}, coalesce(%(now)s::timestamptz, statement_timestamp())
from {jobs} as job where job.id = any(%(ids)s::uuid[]);


-- name: children_succeeded
select {succeeded_columns} from {jobs_succeeded} where id = any(%(ids)s::uuid[]);


-- name: children_failed
select {failed_columns} from {jobs_failed} where id = any(%(ids)s::uuid[]);


-- name: children_cancelled
select {cancelled_columns} from {jobs_cancelled} where id = any(%(ids)s::uuid[]);


-- name: adopt
-- Jobs become the children of these keys, in place of those that the keys had. A job that was retried
-- belongs to no parent, until its parent asks for it again.
with adopted as (
    update {jobs} as job set parent_id = %(id)s::uuid
    where job.id = any(array(
        select one.id from {jobs} as one
        where one.id = any(%(ids)s::uuid[]) and one.parent_id is null
        order by one.id
        for update
    ))
)
insert into {children} (parent_id, child_key, child_id)
select %(id)s::uuid, given.child_key, given.child_id
from unnest(%(keys)s::text[], %(ids)s::uuid[]) as given (child_key, child_id)
order by given.child_key
on conflict (parent_id, child_key) do update set child_id = excluded.child_id;


-- name: look
-- The children that have ended without success are found by their parent, not among those that have
-- succeeded. A failed child that was enqueued anew is no child any more.
select
    array(select id from {jobs} where id = any(%(ids)s::uuid[])),
    array(
        select ended.id
        from (
            select id, failed_at as at from {jobs_failed}
            where parent_id = %(id)s::uuid and failed_at >= coalesce(%(since)s::timestamptz, '-infinity')
            union all
            select id, cancelled_at from {jobs_cancelled}
            where parent_id = %(id)s::uuid and cancelled_at >= coalesce(%(since)s::timestamptz, '-infinity')
        ) as ended
        join {children} as child on child.child_id = ended.id and child.parent_id = %(id)s::uuid
        order by ended.at, ended.id
        limit 100
    ),
    coalesce(%(now)s::timestamptz, now());


-- name: find_parent
-- A live job without a parent was retried by an operator.
select child.parent_id
from {children} as child
where child.child_id = %(id)s::uuid
    and not exists (
        select from {jobs} as job where job.id = child.child_id and job.parent_id is null
    );


-- name: find_ended_parents
-- Parents that have ended, of jobs that are live.
select distinct job.parent_id
from {jobs} as job
where job.parent_id is not null
    and not exists (select from {jobs} as parent where parent.id = job.parent_id)
    and not exists (select from {owners} as parent where parent.id = job.parent_id);


-- name: forget_children
-- Of jobs that have no record any more.
delete from {children} as child
where child.child_id = any(%(ids)s::uuid[])
    and not exists (select from {jobs} as job where job.id = child.child_id)
    and not exists (select from {jobs_succeeded} as job where job.id = child.child_id)
    and not exists (select from {jobs_failed} as job where job.id = child.child_id)
    and not exists (select from {jobs_cancelled} as job where job.id = child.child_id);


-- name: begin_waits
-- Reservations that do not hold are left out. The rows are written in the order of the ids, so that two
-- processes cannot deadlock.
insert into {waiting_jobs} (job_id, reserved_by, number, since)
select job.id, job.reserved_by, job.reservations, coalesce(%(now)s::timestamptz, now())
from {jobs} as job
join unnest(%(ids)s::uuid[], %(owners)s::uuid[], %(numbers)s::integer[])
    as held (id, owner, number) on held.id = job.id
where job.reserved_by = held.owner and job.reservations = held.number
order by job.id
on conflict (job_id) do update set
    reserved_by = excluded.reserved_by, number = excluded.number, since = excluded.since
where {waiting_jobs}.number <> excluded.number or {waiting_jobs}.reserved_by <> excluded.reserved_by
returning job_id;


-- name: end_waits
delete from {waiting_jobs} where job_id = any(array(
    select waiting.job_id
    from {waiting_jobs} as waiting
    join unnest(%(ids)s::uuid[], %(owners)s::uuid[], %(numbers)s::integer[])
        as held (id, owner, number) on held.id = waiting.job_id
    where waiting.reserved_by = held.owner and waiting.number = held.number
    order by waiting.job_id
    for update of waiting
))
returning job_id;


-- name: waiting_among
select waiting.job_id, waiting.reserved_by, waiting.number, waiting.since
from {waiting_jobs} as waiting
join unnest(%(ids)s::uuid[], %(owners)s::uuid[], %(numbers)s::integer[])
    as held (id, owner, number) on held.id = waiting.job_id
join {jobs} as job on job.id = held.id
where waiting.reserved_by = held.owner
    and waiting.number = held.number
    and job.reserved_by = held.owner
    and job.reservations = held.number;


-- name: forget_waits
-- Of reservations that do not hold. "skip locked", because several processes do this at once.
delete from {waiting_jobs} where job_id in (
    select waiting.job_id from {waiting_jobs} as waiting
    where not exists (
        select from {jobs} as job
        where job.id = waiting.job_id
            and job.reserved_by = waiting.reserved_by
            and job.reservations = waiting.number
    )
    for update of waiting skip locked
);
