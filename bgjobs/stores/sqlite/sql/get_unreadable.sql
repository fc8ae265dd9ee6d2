-- Texts are cut: a page of whole ones may be too much. One character more tells that.
select
    id, origin, reason, found_at, job_id,
    substr(name, 1, :longest + 1) as name,
    substr(payload, 1, :longest + 1) as payload,
    priority,
    attempts,
    crashes,
    interruptions,
    reservations,
    created_at,
    available_at,
    reserved_at,
    reserved_by,
    substr(unique_key, 1, :longest + 1) as unique_key,
    substr(errors, 1, :longest + 1) as errors,
    substr(occurrence, 1, :longest + 1) as occurrence,
    substr(metadata, 1, :longest + 1) as metadata,
    succeeded_at,
    substr(error, 1, :longest + 1) as error,
    failed_at
from {jobs_unreadable}
where id < coalesce(:after, zeroblob(0))
order by id desc
limit :limit;

select
    id, origin, reason, found_at, job_id,
    substr(name, 1, :longest + 1) as name,
    substr(payload, 1, :longest + 1) as payload,
    priority,
    attempts,
    crashes,
    interruptions,
    reservations,
    created_at,
    available_at,
    reserved_at,
    reserved_by,
    substr(unique_key, 1, :longest + 1) as unique_key,
    substr(errors, 1, :longest + 1) as errors,
    substr(occurrence, 1, :longest + 1) as occurrence,
    substr(metadata, 1, :longest + 1) as metadata,
    succeeded_at,
    substr(error, 1, :longest + 1) as error,
    failed_at
from {jobs_unreadable}
where id = :id or job_id = :id
order by id <> :id, id
limit 1;
