-- name: delete
-- First those that wait, then those that have ended, unless one is live again and runs.
delete from {jobs} where rowid in (
    select job.rowid
    from json_each(:ids) as asked cross join {jobs} as job on job.id = asked.value
    where job.reserved_by is null
)
returning id;

delete from {jobs_succeeded} where rowid in (
    select job.rowid
    from json_each(:ids) as asked cross join {jobs_succeeded} as job on job.id = asked.value
    where not exists (select 1 from {jobs} as live where live.id = job.id)
)
returning id;

delete from {jobs_failed} where rowid in (
    select job.rowid
    from json_each(:ids) as asked cross join {jobs_failed} as job on job.id = asked.value
    where not exists (select 1 from {jobs} as live where live.id = job.id)
)
returning id;

delete from {jobs_unreadable} where id in (select value from json_each(:ids)) returning id;

-- What was asked of a job that is gone would meet another one that is stored under its id.
delete from {cancellations} where job_id in (
    select asked.value from json_each(:ids) as asked
    where not exists (select 1 from {jobs} as live where live.id = asked.value)
);


-- name: drop
-- It never ran, so it goes to no table of ended jobs.
delete from {jobs} where rowid in (
    select job.rowid
    from json_each(:settled) as settled cross join {jobs} as job indexed by {jobs_reserved} on
        job.id = json_extract(settled.value, '$[0]')
        and job.reserved_by = json_extract(settled.value, '$[1]')
        and job.reservations = json_extract(settled.value, '$[2]')
)
returning id, reservations;


-- name: prune
delete from {jobs_succeeded} where rowid in (
    select rowid from {jobs_succeeded} indexed by {jobs_succeeded_at}
    where succeeded_at < :succeeded_before
    order by succeeded_at
    limit :limit offset :skip
)
returning id;

delete from {jobs_failed} where rowid in (
    select rowid from {jobs_failed} indexed by {jobs_failed_at}
    where failed_at < :failed_before
    order by failed_at
    limit :limit offset :skip
)
returning id;


-- name: prune_worker
delete from {jobs_succeeded} where rowid in (
    select rowid from {jobs_succeeded} indexed by {jobs_succeeded_by_name}
    where name = :name and succeeded_at < :now - :succeeded_for
    order by id
    limit :limit offset :skip
)
returning id;

delete from {jobs_failed} where rowid in (
    select rowid from {jobs_failed} indexed by {jobs_failed_by_name}
    where name = :name and failed_at < :now - :failed_for
    order by id
    limit :limit offset :skip
)
returning id;
