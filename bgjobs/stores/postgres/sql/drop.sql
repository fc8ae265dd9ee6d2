-- It never ran, so it goes to no table of ended jobs.
delete from {jobs} as job
using unnest(%(ids)s::uuid[], %(owners)s::uuid[], %(numbers)s::integer[])
    as held (id, owner, number)
where job.id = held.id
    and job.reserved_by = held.owner
    and job.reservations = held.number
returning job.id, job.reserved_by, job.reservations;
