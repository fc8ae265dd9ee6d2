-- Locked by id: several nodes forget the same expired owners at once.
with closed as (
    select id from {owners}
    where id = any(%(owners)s::uuid[])
        or lease_expires_at <= coalesce(%(now)s::timestamptz, now())
    order by id
    for update
)
delete from {owners} where id in (select id from closed);
