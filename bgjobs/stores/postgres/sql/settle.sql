-- name: succeed
-- Every statement in this file touches a job only under the reservation that it settles: id, owner and
-- number. A job that was reserved again meanwhile is left alone, and is missing in the result.
-- So is a job that has children, unless the caller has locked it: see `lock_parents`. The statement for
-- these is the same without that condition.
-- A repeated write may have stored a job again after it ended. The second run is then deleted without a
-- record, and reported as lost, so that the effects of its end are not applied twice. The subselect sees
-- the earlier end, which came before the second reservation; so no "on conflict" is needed, which would
-- take a quarter of the time.
with settled as (
    delete from {jobs} as job
    using unnest(%(ids)s::uuid[], %(owners)s::uuid[], %(numbers)s::integer[])
        as held (id, owner, number)
    where job.id = held.id
        and job.reserved_by = held.owner
        and job.reservations = held.number
        and not job.has_children
    returning job.*
), recorded as (
    insert into {jobs_succeeded} (id, {succeeded_names without result})
    select id, {job_names}, coalesce(%(now)s::timestamptz, now())
    from settled
    where id <> all(array(
        select ended.id from {jobs_succeeded} as ended where ended.id = any(%(ids)s::uuid[])
        union all
        select ended.id from {jobs_failed} as ended where ended.id = any(%(ids)s::uuid[])
        union all
        select ended.id from {jobs_cancelled} as ended where ended.id = any(%(ids)s::uuid[])
    ))
    returning id, reserved_by, reservations
)
select id, reserved_by, reservations from recorded;


-- name: succeed_with_result
-- As `succeed`, for jobs whose workers keep results.
with settled as (
    delete from {jobs} as job
    using unnest(
        %(ids)s::uuid[], %(owners)s::uuid[], %(numbers)s::integer[], %(results)s::text[]
    ) as held (id, owner, number, result)
    where job.id = held.id
        and job.reserved_by = held.owner
        and job.reservations = held.number
        and not job.has_children
    returning job.*, held.result
), recorded as (
    insert into {jobs_succeeded} (id, {succeeded_names})
    select id, {job_names}, coalesce(%(now)s::timestamptz, now()), result
    from settled
    where id <> all(array(
        select ended.id from {jobs_succeeded} as ended where ended.id = any(%(ids)s::uuid[])
        union all
        select ended.id from {jobs_failed} as ended where ended.id = any(%(ids)s::uuid[])
        union all
        select ended.id from {jobs_cancelled} as ended where ended.id = any(%(ids)s::uuid[])
    ))
    returning id, reserved_by, reservations
)
select id, reserved_by, reservations from recorded;


-- name: lock_reserved
-- The first step of completing a job together with work of the application. The job only becomes
-- a succeeded one after the work: if the work commits the transaction, against its contract, the job
-- must not have succeeded. A job that has ended before is not returned; `succeed` deletes it.
select pg_catalog.pg_current_xact_id()::text, job.unique_key, job.has_children
from {jobs} as job
where job.id = any(%(ids)s::uuid[])
    and job.reserved_by = any(%(owners)s::uuid[])
    and job.reservations = any(%(numbers)s::integer[])
    and not exists (select from {jobs_succeeded} as ended where ended.id = job.id)
    and not exists (select from {jobs_failed} as ended where ended.id = job.id)
    and not exists (select from {jobs_cancelled} as ended where ended.id = job.id)
for update of job;


-- name: free_unique_key
-- So that the work can store a job with the unique key of the job that ends.
update {jobs} as job set unique_key = null
from unnest(%(ids)s::uuid[], %(owners)s::uuid[], %(numbers)s::integer[])
    as held (id, owner, number)
where job.id = held.id
    and job.reserved_by = held.owner
    and job.reservations = held.number;


-- name: succeed_locked
-- As `succeed`, with the unique key that the job had before `free_unique_key`.
with settled as (
    delete from {jobs} as job
    using unnest(%(ids)s::uuid[], %(owners)s::uuid[], %(numbers)s::integer[])
        as held (id, owner, number)
    where job.id = held.id
        and job.reserved_by = held.owner
        and job.reservations = held.number
    returning job.*
), recorded as (
    insert into {jobs_succeeded} (id, {succeeded_names without unique_key}, unique_key)
    select
        id, {job_names without unique_key}, coalesce(%(now)s::timestamptz, now()),
        %(result)s::text, %(unique_key)s::text
    from settled
    where id <> all(array(
        select ended.id from {jobs_succeeded} as ended where ended.id = any(%(ids)s::uuid[])
        union all
        select ended.id from {jobs_failed} as ended where ended.id = any(%(ids)s::uuid[])
        union all
        select ended.id from {jobs_cancelled} as ended where ended.id = any(%(ids)s::uuid[])
    ))
    returning id, reserved_by, reservations
)
select id, reserved_by, reservations from recorded;


-- name: fail
-- As `succeed`, a job that has ended before is deleted without a record.
with settled as (
    delete from {jobs} as job
    using unnest(
        %(ids)s::uuid[], %(owners)s::uuid[], %(numbers)s::integer[], {settled_values},
        %(reasons)s::text[]
    ) as held (id, owner, number, {settled_names}, reason)
    where job.id = held.id
        and job.reserved_by = held.owner
        and job.reservations = held.number
        and not job.has_children
    returning job.id, {job_names of job by held}, held.reason
), recorded as (
    insert into {jobs_failed} (id, {failed_names})
    select id, {job_names}, reason, coalesce(%(now)s::timestamptz, now())
    from settled
    where id <> all(array(
        select ended.id from {jobs_succeeded} as ended where ended.id = any(%(ids)s::uuid[])
        union all
        select ended.id from {jobs_failed} as ended where ended.id = any(%(ids)s::uuid[])
        union all
        select ended.id from {jobs_cancelled} as ended where ended.id = any(%(ids)s::uuid[])
    ))
    returning id, reserved_by, reservations
)
select id, reserved_by, reservations from recorded;


-- name: cancel
-- As `fail`.
with settled as (
    delete from {jobs} as job
    using unnest(
        %(ids)s::uuid[], %(owners)s::uuid[], %(numbers)s::integer[], {settled_values},
        %(reasons)s::text[], %(authors)s::text[]
    ) as held (id, owner, number, {settled_names}, reason, author)
    where job.id = held.id
        and job.reserved_by = held.owner
        and job.reservations = held.number
        and not job.has_children
    returning job.id, {job_names of job by held}, held.reason, held.author
), recorded as (
    insert into {jobs_cancelled} (id, {cancelled_names})
    select id, {job_names}, reason, author, coalesce(%(now)s::timestamptz, now())
    from settled
    where id <> all(array(
        select ended.id from {jobs_succeeded} as ended where ended.id = any(%(ids)s::uuid[])
        union all
        select ended.id from {jobs_failed} as ended where ended.id = any(%(ids)s::uuid[])
        union all
        select ended.id from {jobs_cancelled} as ended where ended.id = any(%(ids)s::uuid[])
    ))
    returning id, reserved_by, reservations
)
select id, reserved_by, reservations from recorded;


-- name: report
update {jobs} as job set progress = held.progress
from unnest(
    %(ids)s::uuid[], %(owners)s::uuid[], %(numbers)s::integer[], %(progress)s::text[]
) as held (id, owner, number, progress)
where job.id = held.id
    and job.reserved_by = held.owner
    and job.reservations = held.number
returning job.id, job.reserved_by, job.reservations;


-- name: requeue
-- Put reserved jobs back. A job whose cancellation was requested meanwhile, or whose parent has ended,
-- becomes a cancelled one instead. As in `succeed`, a job that has ended before is deleted without a
-- record. Some stay reserved: the end of an occurrence is written together with the next one, another may
-- be written together with what a function of the application does, and that of a parent together with
-- the ends of its children.
-- Parents are locked first, so that none ends meanwhile. One that another transaction is ending is waited
-- for, and is then missing.
with family as materialized (
    select job.id, job.parent_id from {jobs} as job
    where job.id = any(%(ids)s::uuid[]) and job.parent_id is not null
), parents as materialized (
    select parent.id from {jobs} as parent
    where parent.id = any(array(select parent_id from family))
    order by parent.id
    for key share
), nurseries as materialized (
    select parent.id from {owners} as parent
    where parent.id = any(array(select parent_id from family))
    order by parent.id
    for key share
), orphans as materialized (
    select family.id from family
    where family.parent_id not in (select id from parents)
        and family.parent_id not in (select id from nurseries)
), asked as materialized (
    select
        job.id as job_id,
        coalesce(pg_catalog.left(asked.reason, 1000), 'its parent has ended') as reason,
        pg_catalog.left(asked.cancelled_by, 200) as author,
        job.occurrence is not null or job.has_children or exists (
            select from {failure_hooks} as hook where hook.name = job.name and hook.on_cancelled
        ) as stays
    from {jobs} as job left join {cancellations} as asked on asked.job_id = job.id
    where job.id = any(%(ids)s::uuid[])
        and (asked.job_id is not null or job.id in (select id from orphans))
), held as materialized (
    select *
    from unnest(
        %(ids)s::uuid[], %(owners)s::uuid[], %(numbers)s::integer[], {settled_values},
        %(delays)s::bigint[]
    ) as held (id, owner, number, {settled_names}, delay)
), ended as (
    delete from {jobs} as job
    using asked, held
    where job.id = asked.job_id
        and job.id = held.id
        and job.reserved_by = held.owner
        and job.reservations = held.number
        and not asked.stays
        and not job.has_children
    returning job.id, {job_names of job by held}, asked.reason, asked.author
), recorded as (
    insert into {jobs_cancelled} (id, {cancelled_names})
    select id, {job_names}, reason, author, coalesce(%(now)s::timestamptz, now())
    from ended
    where id <> all(array(
        select ended.id from {jobs_succeeded} as ended where ended.id = any(%(ids)s::uuid[])
        union all
        select ended.id from {jobs_failed} as ended where ended.id = any(%(ids)s::uuid[])
        union all
        select ended.id from {jobs_cancelled} as ended where ended.id = any(%(ids)s::uuid[])
    ))
    returning id, reserved_by, reservations
), forgotten as (
    delete from {cancellations} where job_id in (select id from ended)
), requeued as (
    update {jobs} as job set
        {settled_set of held},
        available_at = coalesce(
            coalesce(%(now)s::timestamptz, now())
                + held.delay::double precision * interval '1 microsecond',
            job.available_at
        ),
        reserved_at = null,
        reserved_by = null
    from held
    where job.id = held.id
        and job.reserved_by = held.owner
        and job.reservations = held.number
        and not exists (select from asked where asked.job_id = job.id)
    returning held.id, held.owner, held.number
)
select
    id, owner, number, null::text as reason, null::text as author, false as stays
from requeued
union all
select
    recorded.id, recorded.reserved_by, recorded.reservations, asked.reason, asked.author, false
from recorded join asked on asked.job_id = recorded.id
union all
select job.id, job.reserved_by, job.reservations, asked.reason, asked.author, true
from asked join {jobs} as job on asked.job_id = job.id
where job.reserved_by is not null and asked.stays;
