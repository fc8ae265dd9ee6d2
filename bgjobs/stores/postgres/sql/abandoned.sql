select
    id, name, payload, priority, attempts, crashes, interruptions, reservations,
    created_at, available_at, reserved_at, reserved_by, unique_key, errors, occurrence
from {jobs} as job
where job.reserved_by is not null
    and not exists (
        select from {owners} as owner
        where owner.id = job.reserved_by
            and owner.lease_expires_at > coalesce(%(now)s::timestamptz, now())
    )
order by job.id
limit %(limit)s;
