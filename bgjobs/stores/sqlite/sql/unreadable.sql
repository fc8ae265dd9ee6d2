-- name: set_apart_live
-- Copies a row that cannot be read, unless it was reserved, released or ended since it was read.
-- The id is cast from bytes, because it may not be valid UTF-8.
insert into {jobs_unreadable} (id, origin, reason, found_at, job_id, {job_names})
select
    case
        when exists (select 1 from {jobs_unreadable} as other where other.id = :id)
        then :other_id
        else :id
    end,
    'jobs', :reason, :now, id,
    {job_names}
from {jobs}
where id = cast(:key as text)
    and reserved_by is cast(:owner as text)
    and reservations = :number
returning id;


-- name: remove_live
delete from {jobs}
where id = cast(:key as text)
    and reserved_by is cast(:owner as text)
    and reservations = :number;


-- name: set_apart_succeeded
-- As set_apart_live. An ended row does not change, so its id is enough.
insert into {jobs_unreadable} (id, origin, reason, found_at, job_id, {succeeded_names})
select
    case
        when exists (select 1 from {jobs_unreadable} as other where other.id = :id)
        then :other_id
        else :id
    end,
    'jobs_succeeded', :reason, :now, id,
    {succeeded_names}
from {jobs_succeeded}
where id = cast(:key as text)
returning id;


-- name: remove_succeeded
delete from {jobs_succeeded}
where id = cast(:key as text);


-- name: set_apart_failed
-- As set_apart_succeeded.
insert into {jobs_unreadable} (id, origin, reason, found_at, job_id, {failed_names})
select
    case
        when exists (select 1 from {jobs_unreadable} as other where other.id = :id)
        then :other_id
        else :id
    end,
    'jobs_failed', :reason, :now, id,
    {failed_names}
from {jobs_failed}
where id = cast(:key as text)
returning id;


-- name: remove_failed
delete from {jobs_failed}
where id = cast(:key as text);


-- name: set_apart_cancelled
-- As set_apart_succeeded.
insert into {jobs_unreadable} (id, origin, reason, found_at, job_id, {cancelled_names})
select
    case
        when exists (select 1 from {jobs_unreadable} as other where other.id = :id)
        then :other_id
        else :id
    end,
    'jobs_cancelled', :reason, :now, id,
    {cancelled_names}
from {jobs_cancelled}
where id = cast(:key as text)
returning id;


-- name: remove_cancelled
delete from {jobs_cancelled}
where id = cast(:key as text);


-- name: find_set_apart
-- Returns rows that were set apart, with whole texts, to see whether they can be read now.
select id, origin, job_id, {unreadable_columns of one}
from {jobs_unreadable} as one
where id in (select value from json_each(:ids));


-- name: put_back_waiting
-- Stores them as waiting jobs, as `retry` does with ended ones. A job that ran for a schedule
-- becomes a job of its own beside it.
insert into {jobs} (id, {kept_names}, available_at, unique_key, history)
select
    job_id, {kept_names}, :now, case when occurrence is null then unique_key end, history
from {jobs_unreadable}
where id in (select value from json_each(:ids))
    and origin <> 'jobs_succeeded'
    and not exists (select 1 from {jobs_succeeded} as ended where ended.id = job_id)
    and not exists (select 1 from {jobs_failed} as ended where ended.id = job_id)
    and not exists (select 1 from {jobs_cancelled} as ended where ended.id = job_id)
on conflict do nothing
returning id;


-- name: put_back_succeeded
-- Stores those that had succeeded as succeeded jobs, so that they do not run again.
insert into {jobs_succeeded} (id, {succeeded_names})
select job_id, {succeeded_names}
from {jobs_unreadable}
where id in (select value from json_each(:ids)) and origin = 'jobs_succeeded'
    and not exists (select 1 from {jobs} as live where live.id = job_id)
    and not exists (select 1 from {jobs_failed} as ended where ended.id = job_id)
    and not exists (select 1 from {jobs_cancelled} as ended where ended.id = job_id)
on conflict do nothing
returning id;


-- name: delete_put_back
-- Deletes the copies of the jobs that were stored.
delete from {jobs_unreadable}
where id in (select value from json_each(:ids))
    and job_id in (select value from json_each(:stored))
returning id;


-- name: list_unreadable
-- Texts are cut, because a page of whole ones may be too large. One character more than :longest is
-- read, so that the caller sees that a text was cut.
select id, origin, reason, found_at, job_id, {unreadable_cut}
from {jobs_unreadable}
where id < coalesce(:after, zeroblob(0))
order by id desc
limit :limit;


-- name: find_unreadable
-- Finds a row by its own id, or by the id of the job that it was.
select id, origin, reason, found_at, job_id, {unreadable_cut}
from {jobs_unreadable}
where id = :id or job_id = :id
order by id <> :id, id
limit 1;


-- name: count_unreadable
select count(*) from (
    select 1 from {jobs_unreadable} limit :at_most
) as counted;


-- name: rename_unreadable
-- Gives rows that another program stored without a valid id an id by which they can be named. It
-- sorts after all others, so that the page that is read now, or the next one, has the row.
update {jobs_unreadable} set id = lower(
    '00000000-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2)
    || '-8' || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))
)
where id not like '________-____-____-____-____________'
    or length(replace(id, '-', '')) <> 32
    or replace(id, '-', '') glob '*[^0-9a-f]*';
