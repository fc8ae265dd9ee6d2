select
    id, name, payload, priority, attempts, crashes, interruptions, reservations,
    created_at, available_at, reserved_at, reserved_by, unique_key, errors, occurrence,
    metadata
from {jobs}
where occurrence is not null
limit :limit;
