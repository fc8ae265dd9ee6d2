select
    id, name, payload, priority, attempts, crashes, interruptions, reservations,
    created_at, available_at, reserved_at, reserved_by, unique_key, errors, occurrence, metadata
from {jobs} as job indexed by {jobs_reserved}
where reserved_by is not null
    and id > coalesce(:after, '')
    and not exists (
        select 1 from {owners} as owner
        where owner.id = job.reserved_by and owner.lease_expires_at > :now
    )
order by id
limit :limit;
