-- What is longer, or later, than any that bgjobs writes is cut.
select
    owner.id, substr(owner.name, 1, 200), substr(owner.node, 1, 1000),
    min(max(owner.opened_at, -62135596800000000), 253402300799999999),
    min(owner.lease_expires_at, 253402300799999999) - :now,
    (
        select count(*) from {jobs} as job indexed by {jobs_reserved}
        where job.reserved_by = owner.id
    )
from {owners} as owner
where owner.lease_expires_at > :now
order by owner.name, owner.node, owner.id;
