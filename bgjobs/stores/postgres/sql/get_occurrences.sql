select {job_columns}
from {jobs}
where occurrence is not null
    and pg_catalog.starts_with(unique_key, 'schedule:')
    and id > coalesce(%(after)s::uuid, '00000000-0000-0000-0000-000000000000')
order by id
limit %(limit)s;
