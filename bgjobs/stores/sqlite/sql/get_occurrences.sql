select {job_columns}
from {jobs} indexed by {jobs_occurrences}
where occurrence is not null
    and substr(unique_key, 1, 9) = 'schedule:'
    and id >= coalesce(:after, '')
    and id is not :after
order by id
limit :limit;
