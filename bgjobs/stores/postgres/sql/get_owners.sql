select
    owner.id, owner.name, owner.node, owner.opened_at,
    owner.lease_expires_at - coalesce(%(now)s::timestamptz, now()),
    (select count(*) from {jobs} as job where job.reserved_by = owner.id)
from {owners} as owner
where owner.lease_expires_at > coalesce(%(now)s::timestamptz, now())
order by owner.name, owner.node, owner.id;
