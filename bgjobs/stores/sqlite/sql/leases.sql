-- name: open_owner
insert into {owners} (id, name, node, opened_at, lease_expires_at)
values (:id, :name, :node, :now, :now + :lease)
on conflict do nothing;


-- name: heartbeat
-- Renews a lease only while it has not ended.
update {owners} set lease_expires_at = :now + :lease
where id in (select value from json_each(:owners)) and lease_expires_at > :now
returning id;


-- name: abandoned
-- Reads the index of the reserved rows, of which there are few.
select {job_columns}
from {jobs} as job indexed by {jobs_reserved}
where reserved_by is not null
    and id >= coalesce(:after, '')
    and id is not :after
    and not exists (
        select 1 from {owners} as owner
        where owner.id = job.reserved_by and owner.lease_expires_at > :now
    )
order by id
limit :limit;


-- name: end_leases
update {owners} set lease_expires_at = min(lease_expires_at, :now)
where id in (select value from json_each(:owners));


-- name: find_closing
-- Returns the owners whose lease has ended, which may be parents.
select id from {owners} where lease_expires_at <= :now;


-- name: record_past_owners
-- Keeps the names of the owners that close_owners deletes in the same transaction. One that is there
-- already is left out, and so is one that the limits refuse, which another program has written.
insert or ignore into {past_owners} (id, name, node, opened_at, closed_at)
select id, name, node, opened_at, :now from {owners}
where lease_expires_at <= :now and not exists (
    select 1 from {jobs} as job indexed by {jobs_reserved} where job.reserved_by = {owners}.id
) and not exists (
    select 1 from {marked_ends} as mark where mark.reserved_by = {owners}.id
);


-- name: close_owners
-- An owner stays while it holds a job, or held one whose end is marked, so that no job ends under an
-- owner that was closed before. The deletion of past owners relies on it.
delete from {owners}
where lease_expires_at <= :now and not exists (
    select 1 from {jobs} as job indexed by {jobs_reserved} where job.reserved_by = {owners}.id
) and not exists (
    select 1 from {marked_ends} as mark where mark.reserved_by = {owners}.id
);


-- name: get_owners
-- Values that are longer or later than any that bgjobs writes are cut.
select
    owner.id, substr(owner.name, 1, 200), substr(owner.node, 1, 1000),
    min(max(owner.opened_at, -62135596800000000), 253402300799999999),
    min(owner.lease_expires_at, 253402300799999999) - :now,
    (
        select count(*) from {jobs} as job indexed by {jobs_reserved}
        where job.reserved_by = owner.id
    ),
    coalesce(waiting.count, 0)
from {owners} as owner
left join (
    select waiting.reserved_by, count(*) as count
    from {waiting_jobs} as waiting
    cross join {jobs} as job indexed by {jobs_reserved} on
        job.id = waiting.job_id
        and job.reserved_by = waiting.reserved_by
        and job.reservations = waiting.number
    group by waiting.reserved_by
) as waiting on waiting.reserved_by = owner.id
where owner.lease_expires_at > :now and owner.id <> :hook_owner
order by owner.name, owner.node, owner.id;


-- name: find_owners
-- Values that are longer than any that bgjobs writes are cut.
select id, substr(name, 1, 200), substr(node, 1, 1000) from {owners}
where id in (select value from json_each(:owners))
union  -- an owner that was opened again is in both
select id, substr(name, 1, 200), substr(node, 1, 1000) from {past_owners}
where id in (select value from json_each(:owners));


-- name: find_queue_owners
select id from {owners} where name = :queue
union all
select id from {past_owners} indexed by {past_owners_by_name} where name = :queue;
