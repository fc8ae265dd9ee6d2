-- name: set_apart
-- From each of the three tables, in two steps; a row that was reserved, given back or
-- ended since it was read stays.
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

delete from {jobs}
where id = cast(:key as text)
    and reserved_by is cast(:owner as text)
    and reservations = :number;

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

delete from {jobs_succeeded}
where id = cast(:key as text);

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

delete from {jobs_failed}
where id = cast(:key as text);


-- name: put_back
-- What is set apart, with whole texts, to see whether it can be read by now.
select id, origin, job_id, {unreadable_columns of one}
from {jobs_unreadable} as one
where id in (select value from json_each(:ids));

-- Waiting jobs again, as those that are retried. What ran for a schedule runs beside it.
insert into {jobs} (
    id, name, payload, priority, reservations, created_at, available_at, unique_key, errors,
    metadata
)
select
    job_id, name, payload, priority, reservations, created_at, :now,
    case when occurrence is null then unique_key end, errors, metadata
from {jobs_unreadable}
where id in (select value from json_each(:ids))
    and origin <> 'jobs_succeeded'
    and not exists (select 1 from {jobs_succeeded} as ended where ended.id = job_id)
    and not exists (select 1 from {jobs_failed} as ended where ended.id = job_id)
on conflict do nothing
returning id;

-- What had succeeded does not run again.
insert into {jobs_succeeded} (id, {succeeded_names})
select job_id, {succeeded_names}
from {jobs_unreadable}
where id in (select value from json_each(:ids)) and origin = 'jobs_succeeded'
    and not exists (select 1 from {jobs} as live where live.id = job_id)
    and not exists (select 1 from {jobs_failed} as ended where ended.id = job_id)
on conflict do nothing
returning id;

delete from {jobs_unreadable}
where id in (select value from json_each(:ids))
    and job_id in (select value from json_each(:stored))
returning id;


-- name: get_unreadable
-- Texts are cut: a page of whole ones may be too much. One character more tells that.
select id, origin, reason, found_at, job_id, {unreadable_cut}
from {jobs_unreadable}
where id < coalesce(:after, zeroblob(0))
order by id desc
limit :limit;

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
-- What another program put there under no id gets one, by which it can be named; behind all
-- others, so that a page that is read now, or the next one, has it.
update {jobs_unreadable} set id = lower(
    '00000000-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2)
    || '-8' || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))
)
where id not like '________-____-____-____-____________'
    or length(replace(id, '-', '')) <> 32
    or replace(id, '-', '') glob '*[^0-9a-f]*';
