-- Texts are cut: a page of whole ones may be too much. One character more tells that.
select
    id, origin, reason, found_at, job_id,
    pg_catalog.substr(name, 1, %(longest)s + 1) as name,
    pg_catalog.substr(payload, 1, %(longest)s + 1) as payload,
    priority,
    attempts,
    crashes,
    interruptions,
    reservations,
    created_at,
    available_at,
    reserved_at,
    reserved_by,
    pg_catalog.substr(unique_key, 1, %(longest)s + 1) as unique_key,
    pg_catalog.substr(errors, 1, %(longest)s + 1) as errors,
    pg_catalog.substr(occurrence, 1, %(longest)s + 1) as occurrence,
    pg_catalog.substr(metadata, 1, %(longest)s + 1) as metadata,
    succeeded_at,
    pg_catalog.substr(error, 1, %(longest)s + 1) as error,
    failed_at
from {jobs_unreadable}
where id <= coalesce(%(after)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    and id is distinct from %(after)s
order by id desc
limit %(limit)s;

select
    id, origin, reason, found_at, job_id,
    pg_catalog.substr(name, 1, %(longest)s + 1) as name,
    pg_catalog.substr(payload, 1, %(longest)s + 1) as payload,
    priority,
    attempts,
    crashes,
    interruptions,
    reservations,
    created_at,
    available_at,
    reserved_at,
    reserved_by,
    pg_catalog.substr(unique_key, 1, %(longest)s + 1) as unique_key,
    pg_catalog.substr(errors, 1, %(longest)s + 1) as errors,
    pg_catalog.substr(occurrence, 1, %(longest)s + 1) as occurrence,
    pg_catalog.substr(metadata, 1, %(longest)s + 1) as metadata,
    succeeded_at,
    pg_catalog.substr(error, 1, %(longest)s + 1) as error,
    failed_at
from {jobs_unreadable}
where id = %(id)s::uuid or job_id = %(id)s::uuid
order by id <> %(id)s, id
limit 1;
