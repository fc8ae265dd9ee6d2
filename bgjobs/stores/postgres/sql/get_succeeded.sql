-- All, and those of one worker.
select
    id, name, payload, priority, attempts, crashes, interruptions, reservations,
    created_at, available_at, reserved_at, reserved_by, unique_key, errors,
    occurrence, metadata, succeeded_at
from {jobs_succeeded}
where id < coalesce(%(after)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
order by id desc
limit %(limit)s;

select
    id, name, payload, priority, attempts, crashes, interruptions, reservations,
    created_at, available_at, reserved_at, reserved_by, unique_key, errors,
    occurrence, metadata, succeeded_at
from {jobs_succeeded}
where name = %(name)s
    and id < coalesce(%(after)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
order by id desc
limit %(limit)s;
