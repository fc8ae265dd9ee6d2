select {job_columns}
from {jobs} as job
where job.reserved_by is not null
    and job.id >= coalesce(%(after)s::uuid, '00000000-0000-0000-0000-000000000000')
    and job.id is distinct from %(after)s
    and not exists (
        select from {owners} as owner
        where owner.id = job.reserved_by
            and owner.lease_expires_at > coalesce(%(now)s::timestamptz, now())
    )
order by job.id
limit %(limit)s
-- Whoever ends a job holds its row, and may be frozen while it does: nobody shall wait for it.
for share of job skip locked;
