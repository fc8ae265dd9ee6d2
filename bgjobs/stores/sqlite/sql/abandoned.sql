select {job_columns}
from {jobs} as job indexed by {jobs_reserved}
where reserved_by is not null
    and id >= coalesce(:after, '')
    and id is not :after
    and not exists (
        select 1 from {owners} as owner
        where owner.id = job.reserved_by and owner.lease_expires_at > :now
    )
order by id
limit :limit;
