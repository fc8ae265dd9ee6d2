with renewed as (
    update {owners} set
        lease_expires_at = coalesce(%(now)s::timestamptz, now())
            + %(lease)s::double precision * interval '1 microsecond'
    where id = any(%(owners)s::uuid[])
        and lease_expires_at > coalesce(%(now)s::timestamptz, now())
    returning id
)
select coalesce(%(now)s::timestamptz, now()), array(select id from renewed);
