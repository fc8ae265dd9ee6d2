-- name: succeed
-- Copies reserved jobs to the succeeded ones.
-- Each is copied only if it is still held by exactly this reservation: id, owner and number.
-- Jobs that have children are left alone; the statement for these has no such condition, and
-- lock_parents finds them. The statement `drop` deletes the reserved rows in the same transaction.
with settled (id, owner, number) as (
    select
        json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]')
    from json_each(:settled)
)
insert into {jobs_succeeded} (id, {succeeded_names without result})
select job.id, {job_names of job}, :now
from settled cross join {jobs} as job indexed by {jobs_reserved} on
    job.id = settled.id
    and job.reserved_by = settled.owner
    and job.reservations = settled.number
    and not job.has_children;


-- name: succeed_with_result
-- Copies reserved jobs to the succeeded ones, as `succeed` does, with their results.
with settled (id, owner, number, result) as (
    select
        json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
        json_extract(value, '$[3]')
    from json_each(:settled)
)
insert into {jobs_succeeded} (id, {succeeded_names})
select job.id, {job_names of job}, :now, settled.result
from settled cross join {jobs} as job indexed by {jobs_reserved} on
    job.id = settled.id
    and job.reserved_by = settled.owner
    and job.reservations = settled.number
    and not job.has_children;


-- name: fail
-- Copies reserved jobs to the failed ones, with their new counters.
-- Each is copied only if it is still held by exactly this reservation: id, owner and number.
-- The statement `drop` deletes the reserved rows in the same transaction.
with settled (id, owner, number, error, {settled_names}) as (
    select
        json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
        json_extract(value, '$[3]'), {settled_values from 4}
    from json_each(:settled)
)
insert into {jobs_failed} (id, {failed_names})
select job.id, {job_names of job by settled}, settled.error, :now
from settled cross join {jobs} as job indexed by {jobs_reserved} on
    job.id = settled.id
    and job.reserved_by = settled.owner
    and job.reservations = settled.number
    and not job.has_children;


-- name: cancel
-- Copies reserved jobs to the cancelled ones, as `fail` does.
with settled (id, owner, number, reason, author, {settled_names}) as (
    select
        json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
        json_extract(value, '$[3]'), json_extract(value, '$[4]'), {settled_values from 5}
    from json_each(:settled)
)
insert into {jobs_cancelled} (id, {cancelled_names})
select job.id, {job_names of job by settled}, settled.reason, settled.author, :now
from settled cross join {jobs} as job indexed by {jobs_reserved} on
    job.id = settled.id
    and job.reserved_by = settled.owner
    and job.reservations = settled.number
    and not job.has_children;


-- name: find_cancellations
-- Returns the jobs that an operator has cancelled, or whose parent has ended, and that would now wait
-- again. The latter have no reason. The last column is whether the job stays reserved: the end of an
-- occurrence is written together with the next one, another may be written together with what a function
-- of the application does, and that of a parent together with the ends of its children.
select
    job.id, job.reserved_by, job.reservations, substr(asked.reason, 1, 1000),
    substr(asked.cancelled_by, 1, 200),
    job.occurrence is not null or job.has_children or exists (
        select 1 from {failure_hooks} as hook where hook.name = job.name and hook.on_cancelled
    )
from json_each(:settled) as settled
cross join {jobs} as job on job.id = json_extract(settled.value, '$[0]')
left join {cancellations} as asked on asked.job_id = job.id
where (
        exists (select 1 from {cancellations})
        or exists (select 1 from {jobs} indexed by {jobs_children} where parent_id is not null)
    )
    and job.reserved_by = json_extract(settled.value, '$[1]')
    and job.reservations = json_extract(settled.value, '$[2]')
    and (
        asked.job_id is not null
        or job.parent_id is not null
            and not exists (select 1 from {jobs} as parent where parent.id = job.parent_id)
            and not exists (select 1 from {owners} as parent where parent.id = job.parent_id)
    );


-- name: requeue
-- Makes reserved jobs wait again, each only if it is still held by exactly this reservation.
-- An upsert whose row always exists, because the settlements drive the join of a select; an update
-- with the same join may read all rows for each settlement. The inserted values are never kept, so
-- they carry no payload, unique key or occurrence.
with settled (id, owner, number, available_at, {settled_names}) as (
    select
        json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
        json_extract(value, '$[3]'), {settled_values from 4}
    from json_each(:settled)
)
insert into {jobs} (id, name, priority, available_at, {settled_names}, created_at, payload)
select
    job.id, job.name, job.priority, coalesce(settled.available_at, job.available_at),
    {settled_names of settled}, job.created_at, ''
from settled cross join {jobs} as job indexed by {jobs_reserved} on
    job.id = settled.id
    and job.reserved_by = settled.owner
    and job.reservations = settled.number
where true
on conflict (id) do update set
    {settled_set of excluded},
    available_at = excluded.available_at,
    reserved_at = null,
    reserved_by = null
returning id, reservations;


-- name: report
-- Stores the progress of reserved jobs, each only if it is still held by exactly this reservation.
-- An upsert whose row always exists, as in `requeue`.
with settled (id, owner, number, progress) as (
    select
        json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
        json_extract(value, '$[3]')
    from json_each(:settled)
)
insert into {jobs} (id, {kept_names without payload}, available_at, payload, progress)
select job.id, {kept_names of job without payload}, job.available_at, '', settled.progress
from settled cross join {jobs} as job indexed by {jobs_reserved} on
    job.id = settled.id
    and job.reserved_by = settled.owner
    and job.reservations = settled.number
where true
on conflict (id) do update set progress = excluded.progress
returning id, reservations;


-- name: unindex_failures
-- Removes the words of failed jobs that were deleted. Triggers have noted these, because a trigger
-- may not write to a virtual table when the schema is not trusted
-- (https://sqlite.org/pragma.html#pragma_trusted_schema).
delete from {failure_words} where rowid in (
    select number from {failures} indexed by {failures_to_index} where is_gone
);


-- name: forget_failures
-- Deletes the notes about them.
delete from {failures} where number in (
    select number from {failures} indexed by {failures_to_index} where is_gone
);


-- name: index_failures
-- Adds the words of the first line of each new failed job.
insert into {failure_words} (rowid, summary)
select
    noted.number,
    substr(job.error, 1, instr(substr(job.error, 1, 200) || char(10), char(10)) - 1)
from {failures} as noted indexed by {failures_to_index}
cross join {jobs_failed} as job on job.id = noted.job_id
where not noted.is_gone and not noted.is_indexed;


-- name: mark_indexed
-- Marks these as indexed.
update {failures} set is_indexed = 1 where number in (
    select number from {failures} indexed by {failures_to_index}
    where not is_gone and not is_indexed
);
