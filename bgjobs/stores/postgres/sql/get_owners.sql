-- What is longer, or later, than any that bgjobs writes is cut.
select
    owner.id, pg_catalog.left(owner.name, 200), pg_catalog.left(owner.node, 1000),
    owner.opened_at,
    least(owner.lease_expires_at, '9999-12-31 23:59:59.999999+00')
        - coalesce(%(now)s::timestamptz, now()),
    (select count(*) from {jobs} as job where job.reserved_by = owner.id)
from {owners} as owner
where owner.lease_expires_at > coalesce(%(now)s::timestamptz, now())
order by owner.name, owner.node, owner.id;
