-- The holder of an id goes before the holder of a unique key.
select
    id, name, payload, priority, attempts, crashes, interruptions, reservations,
    created_at, available_at, reserved_at, reserved_by, unique_key, errors, occurrence, metadata
from {jobs} where id = :id
union all
select
    id, name, payload, priority, attempts, crashes, interruptions, reservations,
    created_at, available_at, reserved_at, reserved_by, unique_key, errors, occurrence, metadata
from {jobs} where name = :name and unique_key = :unique_key
limit 1;
