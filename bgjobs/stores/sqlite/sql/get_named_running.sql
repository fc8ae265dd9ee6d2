select {job_columns}
from {jobs} indexed by {jobs_reserved}
where reserved_by is not null
    and (:name is null or name = :name)
    and id >= coalesce(:after, '')
    and id is not :after
order by id
limit :limit;
