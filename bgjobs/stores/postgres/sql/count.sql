select
    count(*) filter (where job.reserved_by is null and job.available_at <= clock.now),
    count(*) filter (where job.reserved_by is null and job.available_at > clock.now),
    count(*) filter (where job.reserved_by is not null),
    (
        select count(*) from {jobs_succeeded}
        where %(names)s::text[] is null or name = any(%(names)s)
    ),
    (
        select count(*) from {jobs_failed}
        where %(names)s::text[] is null or name = any(%(names)s)
    )
from {jobs} as job cross join (select coalesce(%(now)s::timestamptz, now())) as clock (now)
where %(names)s::text[] is null or name = any(%(names)s);
