update {jobs} as job set
    available_at = coalesce(
        %(available_at)s::timestamptz,
        coalesce(%(now)s::timestamptz, now())
            + %(delay)s::double precision * interval '1 microsecond',
        job.available_at
    ),
    priority = coalesce(%(priority)s::smallint, job.priority)
where job.id = any(%(ids)s::uuid[])
    and job.reserved_by is null
    and job.occurrence is null
returning job.id;
