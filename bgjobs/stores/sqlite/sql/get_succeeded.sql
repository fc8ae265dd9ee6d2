-- All, and those of one worker.
select
    id, name, payload, priority, attempts, crashes, interruptions, reservations,
    created_at, available_at, reserved_at, reserved_by, unique_key, errors,
    occurrence, metadata, succeeded_at
from {jobs_succeeded}
where id < coalesce(:after, 'z')
order by id desc
limit :limit;

select
    id, name, payload, priority, attempts, crashes, interruptions, reservations,
    created_at, available_at, reserved_at, reserved_by, unique_key, errors,
    occurrence, metadata, succeeded_at
from {jobs_succeeded} indexed by {jobs_succeeded_by_name}
where name = :name and id < coalesce(:after, 'z')
order by id desc
limit :limit;
