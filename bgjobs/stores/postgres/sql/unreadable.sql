-- name: set_apart_live
-- Move rows to the table of unreadable ones. A row that was reserved, released or deleted since it was
-- read stays.
with apart as (
    delete from {jobs} as job
    using unnest(%(ids)s::uuid[], %(owners)s::uuid[], %(numbers)s::integer[], %(reasons)s::text[])
        as read (id, owner, number, reason)
    where job.id = read.id
        and job.reserved_by is not distinct from read.owner
        and job.reservations = read.number
    returning job.*, read.reason
), kept as (
    insert into {jobs_unreadable} (id, origin, reason, found_at, job_id, {job_names})
    select
        case
            when exists (select from {jobs_unreadable} as other where other.id = apart.id)
            then pg_catalog.gen_random_uuid()
            else apart.id
        end,
        'jobs', reason, coalesce(%(now)s::timestamptz, now()), id,
        {job_names}
    from apart
    returning *
)
select job_id, reserved_by, reservations, id, found_at from kept;


-- name: set_apart_succeeded
with apart as (
    delete from {jobs_succeeded} as job
    using unnest(%(ids)s::uuid[], %(owners)s::uuid[], %(numbers)s::integer[], %(reasons)s::text[])
        as read (id, owner, number, reason)
    where job.id = read.id
    returning job.*, read.reason
), kept as (
    insert into {jobs_unreadable} (id, origin, reason, found_at, job_id, {succeeded_names})
    select
        case
            when exists (select from {jobs_unreadable} as other where other.id = apart.id)
            then pg_catalog.gen_random_uuid()
            else apart.id
        end,
        'jobs_succeeded', reason, coalesce(%(now)s::timestamptz, now()), id,
        {succeeded_names}
    from apart
    returning *
)
select job_id, reserved_by, reservations, id, found_at from kept;


-- name: set_apart_failed
with apart as (
    delete from {jobs_failed} as job
    using unnest(%(ids)s::uuid[], %(owners)s::uuid[], %(numbers)s::integer[], %(reasons)s::text[])
        as read (id, owner, number, reason)
    where job.id = read.id
    returning job.*, read.reason
), kept as (
    insert into {jobs_unreadable} (id, origin, reason, found_at, job_id, {failed_names})
    select
        case
            when exists (select from {jobs_unreadable} as other where other.id = apart.id)
            then pg_catalog.gen_random_uuid()
            else apart.id
        end,
        'jobs_failed', reason, coalesce(%(now)s::timestamptz, now()), id,
        {failed_names}
    from apart
    returning *
)
select job_id, reserved_by, reservations, id, found_at from kept;


-- name: set_apart_cancelled
with apart as (
    delete from {jobs_cancelled} as job
    using unnest(%(ids)s::uuid[], %(owners)s::uuid[], %(numbers)s::integer[], %(reasons)s::text[])
        as read (id, owner, number, reason)
    where job.id = read.id
    returning job.*, read.reason
), kept as (
    insert into {jobs_unreadable} (id, origin, reason, found_at, job_id, {cancelled_names})
    select
        case
            when exists (select from {jobs_unreadable} as other where other.id = apart.id)
            then pg_catalog.gen_random_uuid()
            else apart.id
        end,
        'jobs_cancelled', reason, coalesce(%(now)s::timestamptz, now()), id,
        {cancelled_names}
    from apart
    returning *
)
select job_id, reserved_by, reservations, id, found_at from kept;


-- name: find_set_apart
-- With whole texts, to see which rows this version can read. They are locked until they are moved.
select id, origin, job_id, {unreadable_columns of one}
from {jobs_unreadable} as one
where id = any(%(ids)s::uuid[])
for update;


-- name: put_back_waiting
-- Rows become waiting jobs, as retried jobs do. A job of a scheduled job runs once more beside it.
insert into {jobs} (id, {kept_names}, available_at, unique_key, history)
select
    job_id, {kept_names}, coalesce(%(now)s::timestamptz, now()),
    case when occurrence is null then unique_key end, history
from {jobs_unreadable}
where id = any(%(ids)s::uuid[])
    and origin <> 'jobs_succeeded'
    and not exists (select from {jobs_succeeded} as ended where ended.id = job_id)
    and not exists (select from {jobs_failed} as ended where ended.id = job_id)
    and not exists (select from {jobs_cancelled} as ended where ended.id = job_id)
on conflict do nothing
returning id;


-- name: put_back_succeeded
-- A job that had succeeded does not run again.
insert into {jobs_succeeded} (id, {succeeded_names})
select job_id, {succeeded_names}
from {jobs_unreadable}
where id = any(%(ids)s::uuid[]) and origin = 'jobs_succeeded'
    and not exists (select from {jobs} as live where live.id = job_id)
    and not exists (select from {jobs_failed} as ended where ended.id = job_id)
    and not exists (select from {jobs_cancelled} as ended where ended.id = job_id)
on conflict do nothing
returning id;


-- name: delete_put_back
delete from {jobs_unreadable}
where id = any(%(ids)s::uuid[]) and job_id = any(%(stored)s::uuid[])
returning id;


-- name: list_unreadable
-- Texts are cut to one character more than is shown, which shows that they are longer.
select id, origin, reason, found_at, job_id, {unreadable_cut}
from {jobs_unreadable}
where id <= coalesce(%(after)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    and id is distinct from %(after)s
order by id desc
limit %(limit)s;


-- name: find_unreadable
select id, origin, reason, found_at, job_id, {unreadable_cut}
from {jobs_unreadable}
where id = %(id)s::uuid or job_id = %(id)s::uuid
order by id <> %(id)s, id
limit 1;


-- name: count_unreadable
select count(*) from (
    select from {jobs_unreadable} limit %(at_most)s
) as counted;


-- name: get_unvalidated
-- The constraints that rows of before the migration may violate.
-- https://www.postgresql.org/docs/current/catalog-pg-constraint.html
select checked.conname::text
from pg_catalog.pg_constraint as checked
join pg_catalog.pg_class as class on class.oid = checked.conrelid
join pg_catalog.pg_namespace as home on home.oid = class.relnamespace
where home.nspname = %(schema)s and checked.contype = 'c' and not checked.convalidated
order by checked.conname;


-- name: validate_jobs
-- Validation reads the whole table under a lock that allows other sessions to read and write it.
-- https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES
alter table {jobs} validate constraint jobs_limits;


-- name: validate_jobs_succeeded
alter table {jobs_succeeded} validate constraint jobs_succeeded_limits;


-- name: validate_jobs_failed
alter table {jobs_failed} validate constraint jobs_failed_limits;


-- name: validate_owners
alter table {owners} validate constraint owners_limits;


-- name: validate_cancellations
alter table {cancellations} validate constraint cancellations_limits;


-- name: validate_paused_queues
alter table {paused_queues} validate constraint paused_queues_limits;


-- name: validate_starts
alter table {starts} validate constraint starts_limits;
