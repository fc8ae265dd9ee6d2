select {job_columns}
from {jobs}
where reserved_by is not null
    and (%(name)s::text is null or name = %(name)s)
    and id >= coalesce(%(after)s::uuid, '00000000-0000-0000-0000-000000000000')
    and id is distinct from %(after)s
order by id
limit %(limit)s;
