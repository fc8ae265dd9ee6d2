-- name: lock_parents
-- Settlements that were lost may be those of jobs that have children, which the statements in
-- settle.sql leave alone. Returns those that still hold.
select job.id, job.reserved_by, job.reservations
from json_each(:settled) as settled cross join {jobs} as job indexed by {jobs_reserved} on
    job.id = json_extract(settled.value, '$[0]')
    and job.reserved_by = json_extract(settled.value, '$[1]')
    and job.reservations = json_extract(settled.value, '$[2]')
where job.has_children
order by job.id;


-- name: lock_children
-- Returns the waiting children of these parents; :only has the ids of some, or is null.
select job.id, job.has_children
from json_each(:ids) as asked
cross join {jobs} as job indexed by {jobs_children} on job.parent_id = asked.value
where job.reserved_by is null
    and (:only is null or job.id in (select value from json_each(:only)))
order by job.id;


-- name: ask_children
-- Asks the owners of the running children of these parents to cancel them, as cancel_running does.
-- The end of a job whose end is marked is written already. The limits of the table refuse ids of another
-- length, which only another program writes.
insert into {cancellations} (job_id, reason, cancelled_by, asked_at)
select job.id, :reason, :by, :now
from json_each(:ids) as asked
cross join {jobs} as job indexed by {jobs_children} on job.parent_id = asked.value
where job.reserved_by is not null
    and job.reserved_by <> :owner
    and length(job.id) = 36
    and (:only is null or job.id in (select value from json_each(:only)))
on conflict (job_id) do update set
    reason = excluded.reason, cancelled_by = excluded.cancelled_by
returning job_id;


-- name: lock_parent
select has_children
from {jobs}
where id = :id and reserved_by = :owner and reservations = :number;


-- name: count_ancestors
-- Those of a job that is live, and so are they; those beyond the limit are not counted.
with recursive ancestors (id, number) as (
    select parent_id, 0 from {jobs} where id = :id
    union all
    select job.parent_id, ancestors.number + 1
    from ancestors
    cross join {jobs} as job on job.id = ancestors.id
    where ancestors.number < :deepest
)
select max(number) from ancestors;


-- name: mark_parent
update {jobs} set has_children = 1 where id = :id;


-- name: lock_owner
select id from {owners} where id = :id and lease_expires_at > :now;


-- name: find_children
select child_key, child_id
from {children}
where parent_id = :id and child_key in (select value from json_each(:keys));


-- name: list_children
-- Of one parent, in the order of the index. Rows that another program has written under ids that are
-- not valid are left out, so that a page ends at an id after which the next one begins.
select parent_id, child_key, child_id
from {children} indexed by {children_in_order}
where parent_id = json_extract(:ids, '$[0]')
    and child_id >= coalesce(:after, '')
    and child_id is not :after
    and child_id glob :form
order by child_id
limit :limit;


-- name: list_children_of_several
-- All children of these parents are sorted for each page.
select child.parent_id, child.child_key, child.child_id
from json_each(:ids) as asked
cross join {children} as child indexed by {children_in_order} on child.parent_id = asked.value
where child.child_id >= coalesce(:after, '')
    and child.child_id is not :after
    and child.child_id glob :form
order by child.child_id
limit :limit;


-- name: children_live
select {job_columns of job}
from json_each(:ids) as asked cross join {jobs} as job on job.id = asked.value;


-- name: children_succeeded
select {succeeded_columns of job}
from json_each(:ids) as asked cross join {jobs_succeeded} as job on job.id = asked.value;


-- name: children_failed
select {failed_columns of job}
from json_each(:ids) as asked cross join {jobs_failed} as job on job.id = asked.value;


-- name: children_cancelled
select {cancelled_columns of job}
from json_each(:ids) as asked cross join {jobs_cancelled} as job on job.id = asked.value;


-- name: adopt
-- Makes jobs children. A job that was retried belongs to no parent, until its parent asks for it again.
update {jobs} set parent_id = :id
where id in (select value from json_each(:ids)) and parent_id is null;


-- name: record_children
-- Records jobs as the children of these keys, in place of those that the keys had.
insert into {children} (parent_id, child_key, child_id)
select :id, json_extract(value, '$[0]'), json_extract(value, '$[1]')
from json_each(:children)
where true
on conflict (parent_id, child_key) do update set child_id = excluded.child_id;


-- name: find_live_among
select job.id from json_each(:ids) as asked cross join {jobs} as job on job.id = asked.value;


-- name: look
-- The children that have ended without success are found by their parent, not among those that have
-- succeeded. A failed child that was enqueued anew is no child any more.
select ended.id
from (
    select id, failed_at as at from {jobs_failed} indexed by {jobs_failed_children}
    where parent_id = :id and failed_at >= :since
    union all
    select id, cancelled_at from {jobs_cancelled} indexed by {jobs_cancelled_children}
    where parent_id = :id and cancelled_at >= :since
) as ended
where exists (
    select 1 from {children} as child indexed by {children_by_id}
    where child.child_id = ended.id and child.parent_id = :id
)
order by ended.at, ended.id
limit 100;


-- name: find_parent
-- A live job without a parent was retried by an operator.
select child.parent_id
from {children} as child indexed by {children_by_id}
where child.child_id = :id
    and not exists (
        select 1 from {jobs} as job where job.id = child.child_id and job.parent_id is null
    );


-- name: find_ended_parents
-- Returns parents that have ended, of jobs that are live.
select distinct job.parent_id
from {jobs} as job indexed by {jobs_children}
where job.parent_id is not null
    and not exists (select 1 from {jobs} as parent where parent.id = job.parent_id)
    and not exists (select 1 from {owners} as parent where parent.id = job.parent_id);


-- name: forget_children
-- Deletes the rows of children that have no record any more.
delete from {children}
where child_id in (select value from json_each(:ids))
    and not exists (select 1 from {jobs} as job where job.id = child_id)
    and not exists (select 1 from {jobs_succeeded} as job where job.id = child_id)
    and not exists (select 1 from {jobs_failed} as job where job.id = child_id)
    and not exists (select 1 from {jobs_cancelled} as job where job.id = child_id);


-- name: begin_waits
-- Leaves out reservations that do not hold.
insert into {waiting_jobs} (job_id, reserved_by, number, since)
select job.id, job.reserved_by, job.reservations, :now
from json_each(:held) as held cross join {jobs} as job indexed by {jobs_reserved} on
    job.id = json_extract(held.value, '$[0]')
    and job.reserved_by = json_extract(held.value, '$[1]')
    and job.reservations = json_extract(held.value, '$[2]')
where true
on conflict (job_id) do update set
    reserved_by = excluded.reserved_by, number = excluded.number, since = excluded.since
where number <> excluded.number or reserved_by <> excluded.reserved_by;


-- name: end_waits
delete from {waiting_jobs} where job_id in (
    select waiting.job_id
    from json_each(:held) as held cross join {waiting_jobs} as waiting on
        waiting.job_id = json_extract(held.value, '$[0]')
        and waiting.reserved_by = json_extract(held.value, '$[1]')
        and waiting.number = json_extract(held.value, '$[2]')
);


-- name: waiting_among
select
    waiting.job_id, waiting.reserved_by, waiting.number,
    min(max(waiting.since, -62135596800000000), 253402300799999999)
from json_each(:held) as held cross join {waiting_jobs} as waiting on
    waiting.job_id = json_extract(held.value, '$[0]')
    and waiting.reserved_by = json_extract(held.value, '$[1]')
    and waiting.number = json_extract(held.value, '$[2]')
cross join {jobs} as job indexed by {jobs_reserved} on
    job.id = waiting.job_id
    and job.reserved_by = waiting.reserved_by
    and job.reservations = waiting.number;


-- name: forget_waits
-- Deletes the rows of reservations that do not hold.
delete from {waiting_jobs} where job_id in (
    select waiting.job_id from {waiting_jobs} as waiting
    where not exists (
        select 1 from {jobs} as job
        where job.id = waiting.job_id
            and job.reserved_by = waiting.reserved_by
            and job.reservations = waiting.number
    )
);
