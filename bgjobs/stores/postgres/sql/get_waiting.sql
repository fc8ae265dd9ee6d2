select {job_columns}
from {jobs}
where reserved_by is null
    and id >= coalesce(%(after)s::uuid, '00000000-0000-0000-0000-000000000000')
    and id is distinct from %(after)s
    and (%(name)s::text is null or name = %(name)s)
    and (available_at > coalesce(%(now)s::timestamptz, now())) = %(delayed)s
order by id
limit %(limit)s;
