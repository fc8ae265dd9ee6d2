with settled (id, owner, number) as (
    select
        json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]')
    from json_each(:settled)
)
insert into {jobs_succeeded} (
    id, name, payload, priority, attempts, crashes, interruptions, reservations,
    created_at, available_at, reserved_at, reserved_by, unique_key, errors,
    occurrence, metadata, succeeded_at
)
select
    job.id, job.name, job.payload, job.priority,
    job.attempts, job.crashes, job.interruptions, job.reservations,
    job.created_at, job.available_at, job.reserved_at, job.reserved_by, job.unique_key,
    job.errors, job.occurrence, job.metadata, :now
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
