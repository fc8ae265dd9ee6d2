select {job_columns}
from {jobs} indexed by {jobs_reserved}
where reserved_by is not null
    and reserved_by = coalesce(:owner, reserved_by)
    and id >= coalesce(:after, '')
    and id is not :after
order by id
limit :limit;
