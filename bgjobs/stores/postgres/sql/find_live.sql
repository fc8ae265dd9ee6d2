-- What stands where a wanted job could not be stored: the job of that id, else the holder of its
-- unique key. One that has ended is given as it was asked for.
select wanted.id, standing.*
from
    unnest(%(ids)s::uuid[], %(names)s::text[], %(unique_keys)s::text[])
        as wanted (id, name, unique_key)
    cross join lateral (
        select {job_columns}
        from (
            select 1 as rank,
                {job_columns}
            from {jobs} where id = wanted.id
            union all
            select 2 as rank,
                id, name, payload, priority, 0, 0, 0, 0, created_at, available_at,
                null, null, unique_key, '[]', occurrence, metadata
            from {jobs_succeeded} where id = wanted.id
            union all
            select 3 as rank,
                id, name, payload, priority, 0, 0, 0, 0, created_at, available_at,
                null, null, unique_key, '[]', occurrence, metadata
            from {jobs_failed} where id = wanted.id
            union all
            select 4 as rank,
                {job_columns}
            from {jobs} where name = wanted.name and unique_key = wanted.unique_key
        ) as candidates
        order by rank
        limit 1
    ) as standing;
