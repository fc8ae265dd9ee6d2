-- From each of the three tables, in two steps; a row that was reserved, given back or
-- ended since it was read stays.
insert into {jobs_unreadable} (
    id, origin, reason, found_at, job_id,
    name, payload, priority, attempts, crashes, interruptions, reservations, created_at,
    available_at, reserved_at, reserved_by, unique_key, errors, occurrence, metadata
)
select
    case
        when exists (select 1 from {jobs_unreadable} as other where other.id = :id)
        then :other_id
        else :id
    end,
    'jobs', :reason, :now, id,
    name, payload, priority, attempts, crashes, interruptions, reservations, created_at,
    available_at, reserved_at, reserved_by, unique_key, errors, occurrence, metadata
from {jobs}
where id = cast(:key as text)
    and reserved_by is cast(:owner as text)
    and reservations = :number
returning id;

delete from {jobs}
where id = cast(:key as text)
    and reserved_by is cast(:owner as text)
    and reservations = :number;

insert into {jobs_unreadable} (
    id, origin, reason, found_at, job_id,
    name, payload, priority, attempts, crashes, interruptions, reservations, created_at,
    available_at, reserved_at, reserved_by, unique_key, errors, occurrence, metadata,
    succeeded_at
)
select
    case
        when exists (select 1 from {jobs_unreadable} as other where other.id = :id)
        then :other_id
        else :id
    end,
    'jobs_succeeded', :reason, :now, id,
    name, payload, priority, attempts, crashes, interruptions, reservations, created_at,
    available_at, reserved_at, reserved_by, unique_key, errors, occurrence, metadata,
    succeeded_at
from {jobs_succeeded}
where id = cast(:key as text)
returning id;

delete from {jobs_succeeded}
where id = cast(:key as text);

insert into {jobs_unreadable} (
    id, origin, reason, found_at, job_id,
    name, payload, priority, attempts, crashes, interruptions, reservations, created_at,
    available_at, reserved_at, reserved_by, unique_key, errors, occurrence, metadata, error,
    failed_at
)
select
    case
        when exists (select 1 from {jobs_unreadable} as other where other.id = :id)
        then :other_id
        else :id
    end,
    'jobs_failed', :reason, :now, id,
    name, payload, priority, attempts, crashes, interruptions, reservations, created_at,
    available_at, reserved_at, reserved_by, unique_key, errors, occurrence, metadata, error,
    failed_at
from {jobs_failed}
where id = cast(:key as text)
returning id;

delete from {jobs_failed}
where id = cast(:key as text);
