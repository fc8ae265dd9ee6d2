-- name: delete_waiting
-- Leaves running jobs alone.
delete from {jobs} where rowid in (
    select job.rowid
    from json_each(:ids) as asked cross join {jobs} as job on job.id = asked.value
    where job.reserved_by is null
)
returning id, has_children;


-- name: delete_succeeded
-- Leaves an ended job alone while a job of the same id is live.
delete from {jobs_succeeded} where rowid in (
    select job.rowid
    from json_each(:ids) as asked cross join {jobs_succeeded} as job on job.id = asked.value
    where not exists (select 1 from {jobs} as live where live.id = job.id)
)
returning id;


-- name: delete_failed
-- Leaves an ended job alone while a job of the same id is live.
delete from {jobs_failed} where rowid in (
    select job.rowid
    from json_each(:ids) as asked cross join {jobs_failed} as job on job.id = asked.value
    where not exists (select 1 from {jobs} as live where live.id = job.id)
)
returning id;


-- name: delete_cancelled
-- Leaves an ended job alone while a job of the same id is live.
delete from {jobs_cancelled} where rowid in (
    select job.rowid
    from json_each(:ids) as asked cross join {jobs_cancelled} as job on job.id = asked.value
    where not exists (select 1 from {jobs} as live where live.id = job.id)
)
returning id;


-- name: delete_unreadable
delete from {jobs_unreadable} where id in (select value from json_each(:ids)) returning id;


-- name: delete_cancellations
-- Deletes the commands for jobs that are not live, so that they do not cancel another job that is
-- stored later under the same id.
delete from {cancellations} where job_id in (
    select asked.value from json_each(:ids) as asked
    where not exists (select 1 from {jobs} as live where live.id = asked.value)
);


-- name: drop
-- Deletes the reserved rows of settled jobs. Each is deleted only if it is still held by exactly
-- this reservation: id, owner and number. Settled jobs are recorded as succeeded, failed or
-- cancelled in the same transaction before; a dropped job never ran, so it is recorded nowhere.
-- The index of the reserved rows is pinned, so that the settlements drive the join.
delete from {jobs} where rowid in (
    select job.rowid
    from json_each(:settled) as settled cross join {jobs} as job indexed by {jobs_reserved} on
        job.id = json_extract(settled.value, '$[0]')
        and job.reserved_by = json_extract(settled.value, '$[1]')
        and job.reservations = json_extract(settled.value, '$[2]')
        and not job.has_children
)
returning id, reservations;


-- name: prune_succeeded
-- Deletes the jobs that ended first, and keeps the first :skip of them.
delete from {jobs_succeeded} where rowid in (
    select job.rowid from {jobs_succeeded} as job indexed by {jobs_succeeded_at}
    where succeeded_at < :before
        and not exists (
            select 1 from {children} as child indexed by {children_by_id}
            where child.child_id = job.id and (
                exists (select 1 from {jobs} as live where live.id = child.parent_id)
                or exists (select 1 from {owners} as live where live.id = child.parent_id)
            )
        )
    order by succeeded_at
    limit :limit offset :skip
)
returning id;


-- name: prune_failed
-- As prune_succeeded.
delete from {jobs_failed} where rowid in (
    select job.rowid from {jobs_failed} as job indexed by {jobs_failed_at}
    where failed_at < :before
        and not exists (
            select 1 from {children} as child indexed by {children_by_id}
            where child.child_id = job.id and (
                exists (select 1 from {jobs} as live where live.id = child.parent_id)
                or exists (select 1 from {owners} as live where live.id = child.parent_id)
            )
        )
    order by failed_at
    limit :limit offset :skip
)
returning id;


-- name: prune_cancelled
-- As prune_succeeded.
delete from {jobs_cancelled} where rowid in (
    select job.rowid from {jobs_cancelled} as job indexed by {jobs_cancelled_at}
    where cancelled_at < :before
        and not exists (
            select 1 from {children} as child indexed by {children_by_id}
            where child.child_id = job.id and (
                exists (select 1 from {jobs} as live where live.id = child.parent_id)
                or exists (select 1 from {owners} as live where live.id = child.parent_id)
            )
        )
    order by cancelled_at
    limit :limit offset :skip
)
returning id;


-- name: prune_worker_succeeded
-- Goes along the ids of one worker, whose order is that of creation, because no index has both
-- the name and the time of the end.
delete from {jobs_succeeded} where rowid in (
    select job.rowid from {jobs_succeeded} as job indexed by {jobs_succeeded_by_name}
    where name = :name and succeeded_at < :before
        and not exists (
            select 1 from {children} as child indexed by {children_by_id}
            where child.child_id = job.id and (
                exists (select 1 from {jobs} as live where live.id = child.parent_id)
                or exists (select 1 from {owners} as live where live.id = child.parent_id)
            )
        )
    order by id
    limit :limit offset :skip
)
returning id;


-- name: prune_worker_failed
-- As prune_worker_succeeded.
delete from {jobs_failed} where rowid in (
    select job.rowid from {jobs_failed} as job indexed by {jobs_failed_by_name}
    where name = :name and failed_at < :before
        and not exists (
            select 1 from {children} as child indexed by {children_by_id}
            where child.child_id = job.id and (
                exists (select 1 from {jobs} as live where live.id = child.parent_id)
                or exists (select 1 from {owners} as live where live.id = child.parent_id)
            )
        )
    order by id
    limit :limit offset :skip
)
returning id;


-- name: prune_worker_cancelled
-- As prune_worker_succeeded.
delete from {jobs_cancelled} where rowid in (
    select job.rowid from {jobs_cancelled} as job indexed by {jobs_cancelled_by_name}
    where name = :name and cancelled_at < :before
        and not exists (
            select 1 from {children} as child indexed by {children_by_id}
            where child.child_id = job.id and (
                exists (select 1 from {jobs} as live where live.id = child.parent_id)
                or exists (select 1 from {owners} as live where live.id = child.parent_id)
            )
        )
    order by id
    limit :limit offset :skip
)
returning id;


-- name: prune_owners
-- Deletes the names of owners to which no job can refer any longer: each has ended its last job
-- before it was closed, and all jobs that ended so early are deleted. Other programs may have closed
-- one that still holds a job.
delete from {past_owners} where id in (
    select past.id
    from {past_owners} as past indexed by {past_owners_closed_at}
    where past.closed_at < (
        select coalesce(min(ended_at), 9223372036854775807) from (
            select min(succeeded_at) as ended_at
            from {jobs_succeeded} indexed by {jobs_succeeded_at}
            union all
            select min(failed_at) from {jobs_failed} indexed by {jobs_failed_at}
            union all
            select min(cancelled_at) from {jobs_cancelled} indexed by {jobs_cancelled_at}
        )
    ) and not exists (
        select 1 from {jobs} as job indexed by {jobs_reserved} where job.reserved_by = past.id
    )
);
