-- The plus keeps the planner from the index of the ready rows, which would have to be sorted.
select
    id, name, payload, priority, attempts, crashes, interruptions, reservations,
    created_at, available_at, reserved_at, reserved_by, unique_key, errors, occurrence,
    metadata
from {jobs}
where +reserved_by is null
    and id > coalesce(:after, '')
    and (:name is null or name = :name)
    and (available_at > :now) = :delayed
order by id
limit :limit;
