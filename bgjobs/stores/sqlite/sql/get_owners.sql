select
    owner.id, owner.name, owner.node, owner.opened_at, owner.lease_expires_at - :now,
    (
        select count(*) from {jobs} as job indexed by {jobs_reserved}
        where job.reserved_by = owner.id
    )
from {owners} as owner
where owner.lease_expires_at > :now
order by owner.name, owner.node, owner.id;
