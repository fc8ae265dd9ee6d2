select
    id, name, payload, priority, attempts, crashes, interruptions, reservations,
    created_at, available_at, reserved_at, reserved_by, unique_key, errors,
    occurrence, metadata, error, failed_at
from {jobs_failed}
where id < coalesce(:after, 'z') and (:name is null or name = :name)
order by id desc
limit :limit;
