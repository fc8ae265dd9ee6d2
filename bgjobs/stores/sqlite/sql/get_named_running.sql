select
    id, name, payload, priority, attempts, crashes, interruptions, reservations,
    created_at, available_at, reserved_at, reserved_by, unique_key, errors, occurrence,
    metadata
from {jobs} indexed by {jobs_reserved}
where reserved_by is not null
    and (:name is null or name = :name)
    and id > coalesce(:after, '')
order by id
limit :limit;
