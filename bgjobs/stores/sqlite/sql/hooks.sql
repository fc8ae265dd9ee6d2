-- name: register_hooks
insert into {failure_hooks} (name, on_cancelled, registered_at)
select json_extract(value, '$[0]'), json_extract(value, '$[1]'), :now
from json_each(:hooks)
where true
on conflict (name) do update set
    on_cancelled = excluded.on_cancelled, registered_at = excluded.registered_at;


-- name: open_hook_owner
-- The owner of jobs whose end is marked. Its lease ends with the calendar, so that no version of
-- bgjobs releases them.
insert into {owners} (id, name, node, opened_at, lease_expires_at)
values (
    :owner, 'on_failure', 'waits for a process with the worker', :now, 253402214400000000
)
on conflict do nothing;


-- name: mark_end
-- Records the end of a reserved job, if its worker has a function for such an end.
insert into {marked_ends} (job_id, state, reason, author, reserved_by, marked_at)
select job.id, :state, :reason, :author, job.reserved_by, :now
from json_each(:settled) as settled
cross join {jobs} as job indexed by {jobs_reserved} on
    job.id = json_extract(settled.value, '$[0]')
    and job.reserved_by = json_extract(settled.value, '$[1]')
    and job.reservations = json_extract(settled.value, '$[2]')
cross join {failure_hooks} as hook on hook.name = job.name
where hook.on_cancelled or :state = 'failed'
on conflict (job_id) do update set
    state = excluded.state, reason = excluded.reason, author = excluded.author,
    reserved_by = excluded.reserved_by, tries = 0, begun_at = null, marked_at = excluded.marked_at
returning job_id;


-- name: hold_marked
-- Gives the job of mark_end to the owner of marked ends, in the same transaction and under the same
-- number. An upsert whose row always exists, as in `requeue`.
with settled (id, owner, number, {settled_names}) as (
    select
        json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
        {settled_values from 3}
    from json_each(:settled)
)
insert into {jobs} (id, name, priority, available_at, {settled_names}, created_at, payload)
select
    job.id, job.name, job.priority, job.available_at, {settled_names of settled},
    job.created_at, ''
from settled cross join {jobs} as job indexed by {jobs_reserved} on
    job.id = settled.id
    and job.reserved_by = settled.owner
    and job.reservations = settled.number
where true
on conflict (id) do update set {settled_set of excluded}, reserved_by = :owner;


-- name: mark_waiting
-- Records the ends of waiting jobs whose workers have a function for cancelled ones.
insert into {marked_ends} (job_id, state, reason, author, marked_at)
select job.id, 'cancelled', :reason, :by, :now
from json_each(:ids) as asked
cross join {jobs} as job on job.id = asked.value
cross join {failure_hooks} as hook on hook.name = job.name
where job.reserved_by is null and hook.on_cancelled
on conflict (job_id) do update set
    state = excluded.state, reason = excluded.reason, author = excluded.author,
    reserved_by = excluded.reserved_by, tries = 0, begun_at = null, marked_at = excluded.marked_at;


-- name: hold_waiting
-- Gives the jobs of mark_waiting to the owner of marked ends, in the same transaction.
update {jobs} set
    reservations = reservations + 1, reserved_by = :owner, reserved_at = :now
where rowid in (
    select job.rowid
    from json_each(:ids) as asked
    cross join {jobs} as job on job.id = asked.value
    cross join {failure_hooks} as hook on hook.name = job.name
    where job.reserved_by is null and hook.on_cancelled
);


-- name: marked_names
-- Returns the workers whose jobs have a marked end. There are few such jobs at any time.
select distinct {limited job.name}
from {marked_ends} as mark cross join {jobs} as job on job.id = mark.job_id
where job.reserved_by = :owner;


-- name: marked_ends
-- The end comes after the columns of the job. Texts are cut as those of `commands`.
select {job_columns of job}, mark.state, substr(mark.reason, 1, 8192), substr(mark.author, 1, 200)
from {marked_ends} as mark cross join {jobs} as job on job.id = mark.job_id
where job.reserved_by = :owner
    and job.name in (select value from json_each(:names))
    and mark.job_id >= coalesce(:after, '')
    and mark.job_id is not :after
order by mark.job_id
limit :limit;


-- name: begin_marked
update {marked_ends} set tries = tries + 1, begun_at = :now
where job_id = :id and (begun_at is null or begun_at <= :now - :patience)
returning tries;


-- name: restore_failed_owner
-- The job has ended in this transaction. It gets back the reservation that it had before it was marked.
update {jobs_failed} set reserved_by = mark.reserved_by
from {marked_ends} as mark
where {jobs_failed}.id = :id and mark.job_id = :id;


-- name: restore_cancelled_owner
-- As restore_failed_owner. The job may have had no reservation.
update {jobs_cancelled} set
    reserved_by = mark.reserved_by,
    reserved_at = case when mark.reserved_by is not null then {jobs_cancelled}.reserved_at end,
    reservations = {jobs_cancelled}.reservations - (mark.reserved_by is null)
from {marked_ends} as mark
where {jobs_cancelled}.id = :id and mark.job_id = :id;


-- name: unmark
delete from {marked_ends} where job_id = :id;


-- name: delete_marked
-- Jobs whose end is marked do not run, so they are deleted like waiting ones.
delete from {jobs} where rowid in (
    select job.rowid
    from json_each(:ids) as asked cross join {jobs} as job on job.id = asked.value
    where job.reserved_by = :owner
)
returning id, has_children;


-- name: delete_marks
-- Deletes the marks of jobs that are not live.
delete from {marked_ends} where job_id in (
    select asked.value from json_each(:ids) as asked
    where not exists (select 1 from {jobs} as live where live.id = asked.value)
);
