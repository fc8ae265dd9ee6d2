-- The plus keeps the planner from the index of the ready rows, which would have to be sorted.
select {job_columns}
from {jobs}
where +reserved_by is null
    and id >= coalesce(:after, '')
    and id is not :after
    and (:name is null or name = :name)
    and (available_at > :now) = :delayed
order by id
limit :limit;
