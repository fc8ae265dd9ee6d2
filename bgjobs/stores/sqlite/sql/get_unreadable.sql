-- Texts are cut: a page of them would be too much.
select
    id, origin, reason, found_at, job_id,
    substr(name, 1, 1001) as name,
    substr(payload, 1, 1001) as payload,
    priority,
    attempts,
    crashes,
    interruptions,
    reservations,
    created_at,
    available_at,
    reserved_at,
    reserved_by,
    substr(unique_key, 1, 1001) as unique_key,
    substr(errors, 1, 1001) as errors,
    substr(occurrence, 1, 1001) as occurrence,
    substr(metadata, 1, 1001) as metadata,
    succeeded_at,
    substr(error, 1, 1001) as error,
    failed_at
from {jobs_unreadable}
where id < coalesce(:after, zeroblob(0))
order by id desc
limit :limit;

select
    id, origin, reason, found_at, job_id,
    substr(name, 1, 1001) as name,
    substr(payload, 1, 1001) as payload,
    priority,
    attempts,
    crashes,
    interruptions,
    reservations,
    created_at,
    available_at,
    reserved_at,
    reserved_by,
    substr(unique_key, 1, 1001) as unique_key,
    substr(errors, 1, 1001) as errors,
    substr(occurrence, 1, 1001) as occurrence,
    substr(metadata, 1, 1001) as metadata,
    succeeded_at,
    substr(error, 1, 1001) as error,
    failed_at
from {jobs_unreadable}
where id = :id or job_id = :id
order by id <> :id, id
limit 1;
