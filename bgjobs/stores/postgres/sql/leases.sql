-- name: open_owner
-- A repetition of the write changes nothing.
insert into {owners} (id, name, node, opened_at, lease_expires_at)
select
    %(id)s::uuid, %(name)s::text, %(node)s::text, clock.now,
    clock.now + %(lease)s::double precision * interval '1 microsecond'
from (select coalesce(%(now)s::timestamptz, now())) as clock (now)
on conflict (id) do nothing;


-- name: heartbeat
-- Renew the leases that have not expired, and return the server's time and whose they are.
with renewed as (
    update {owners} set
        lease_expires_at = coalesce(%(now)s::timestamptz, now())
            + %(lease)s::double precision * interval '1 microsecond'
    where id = any(%(owners)s::uuid[])
        and lease_expires_at > coalesce(%(now)s::timestamptz, now())
    returning id
)
select coalesce(%(now)s::timestamptz, now()), array(select id from renewed);


-- name: abandoned
-- Reserved jobs whose owner has no live lease.
-- A process that ends a job holds its row, and may be suspended while it does. "for share" with "skip
-- locked" leaves such rows out, instead of waiting for them.
-- https://www.postgresql.org/docs/current/sql-select.html#SQL-FOR-UPDATE-SHARE
select {job_columns}
from {jobs} as job
where job.reserved_by is not null
    and job.id >= coalesce(%(after)s::uuid, '00000000-0000-0000-0000-000000000000')
    and job.id is distinct from %(after)s
    and not exists (
        select from {owners} as owner
        where owner.id = job.reserved_by
            and owner.lease_expires_at > coalesce(%(now)s::timestamptz, now())
    )
order by job.id
limit %(limit)s
for share of job skip locked;


-- name: close_owners
-- End these leases, and delete the owners whose lease has ended and that hold no job. Return the owners
-- whose lease has ended, which may be parents. An owner stays
-- while it holds one, or held one whose end is marked, so that no job ends under an owner that was closed
-- before. The deletion of past owners relies on it. The names of the deleted ones are kept for the jobs that they ended.
-- The rows are locked in the order of their ids, so that processes that delete the same expired owners
-- cannot deadlock.
-- https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-DEADLOCKS
with closing as (
    select id from {owners}
    where id = any(%(owners)s::uuid[])
        or lease_expires_at <= coalesce(%(now)s::timestamptz, now())
    order by id
    for update
), holding as (
    select closing.id from closing
    where exists (select from {jobs} as job where job.reserved_by = closing.id)
        or exists (select from {marked_ends} as mark where mark.reserved_by = closing.id)
), ended as (
    update {owners} set
        lease_expires_at = least(lease_expires_at, coalesce(%(now)s::timestamptz, now()))
    where id in (select id from holding)
), closed as (
    delete from {owners}
    where id in (select id from closing) and id not in (select id from holding)
    returning id, name, node, opened_at
), recorded as (
    insert into {past_owners} (id, name, node, opened_at, closed_at)
    select id, name, node, opened_at, coalesce(%(now)s::timestamptz, now()) from closed
    on conflict do nothing
)
select id from closing;


-- name: find_owners
-- Live or closed. Texts are cut as in `get_owners`.
select id, pg_catalog.left(name, 200), pg_catalog.left(node, 1000)
from {owners} where id = any(%(owners)s::uuid[])
union
select id, pg_catalog.left(name, 200), pg_catalog.left(node, 1000)
from {past_owners} where id = any(%(owners)s::uuid[]);


-- name: get_owners
-- Texts and times beyond what bgjobs writes are cut to what Python can represent.
select
    owner.id, pg_catalog.left(owner.name, 200), pg_catalog.left(owner.node, 1000),
    owner.opened_at,
    least(owner.lease_expires_at, '9999-12-31 23:59:59.999999+00')
        - coalesce(%(now)s::timestamptz, now()),
    (select count(*) from {jobs} as job where job.reserved_by = owner.id),
    coalesce(waiting.count, 0)
from {owners} as owner
left join (
    -- "offset 0" makes it look up each job, of which there are few, whatever the planner expects.
    select waiting.reserved_by, count(*) as count
    from {waiting_jobs} as waiting
    cross join lateral (
        select from {jobs} as job
        where job.id = waiting.job_id
            and job.reserved_by = waiting.reserved_by
            and job.reservations = waiting.number
        offset 0
    ) as held
    group by waiting.reserved_by
) as waiting on waiting.reserved_by = owner.id
where owner.lease_expires_at > coalesce(%(now)s::timestamptz, now())
    and owner.id <> %(hook_owner)s::uuid
order by owner.name, owner.node, owner.id;
