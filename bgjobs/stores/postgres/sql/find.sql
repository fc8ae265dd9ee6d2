-- In the order in which a job moves, so that none is missed on its way.
select
    id, name, payload, priority, attempts, crashes, interruptions, reservations,
    created_at, available_at, reserved_at, reserved_by, unique_key, errors, occurrence, metadata
from {jobs} where id = %(id)s;

select
    id, name, payload, priority, attempts, crashes, interruptions, reservations,
    created_at, available_at, reserved_at, reserved_by, unique_key, errors,
    occurrence, metadata, succeeded_at
from {jobs_succeeded} where id = %(id)s;

select
    id, name, payload, priority, attempts, crashes, interruptions, reservations,
    created_at, available_at, reserved_at, reserved_by, unique_key, errors,
    occurrence, metadata, error, failed_at
from {jobs_failed} where id = %(id)s;
