with settled (id, owner, number, attempts, crashes, interruptions, errors, error) as (
    select
        json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
        json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]'),
        json_extract(value, '$[6]'), json_extract(value, '$[7]')
    from json_each(:settled)
)
insert into {jobs_failed} (
    id, name, payload, priority, attempts, crashes, interruptions, reservations,
    created_at, available_at, reserved_at, reserved_by, unique_key, errors,
    occurrence, metadata, error, failed_at
)
select
    job.id, job.name, job.payload, job.priority,
    settled.attempts, settled.crashes, settled.interruptions, job.reservations,
    job.created_at, job.available_at, job.reserved_at, job.reserved_by, job.unique_key,
    settled.errors, job.occurrence, job.metadata, settled.error, :now
from settled cross join {jobs} as job indexed by {jobs_reserved} on
    job.id = settled.id
    and job.reserved_by = settled.owner
    and job.reservations = settled.number;

delete from {jobs} where rowid in (
    select job.rowid
    from json_each(:settled) as settled cross join {jobs} as job indexed by {jobs_reserved} on
        job.id = json_extract(settled.value, '$[0]')
        and job.reserved_by = json_extract(settled.value, '$[1]')
        and job.reservations = json_extract(settled.value, '$[2]')
)
returning id, reservations;
