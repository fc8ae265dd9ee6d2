insert into {owners} (id, name, node, opened_at, lease_expires_at)
select
    %(id)s::uuid, %(name)s::text, %(node)s::text, clock.now,
    clock.now + %(lease)s::double precision * interval '1 microsecond'
from (select coalesce(%(now)s::timestamptz, now())) as clock (now)
on conflict (id) do nothing;
