-- All, those of one worker, and those whose error has certain words.
select
    id, name, payload, priority, attempts, crashes, interruptions, reservations,
    created_at, available_at, reserved_at, reserved_by, unique_key, errors, occurrence,
    metadata, error, failed_at
from {jobs_failed}
where id < coalesce(%(after)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    and (%(before)s::timestamptz is null or failed_at < %(before)s)
order by id desc
limit %(limit)s;

select
    id, name, payload, priority, attempts, crashes, interruptions, reservations,
    created_at, available_at, reserved_at, reserved_by, unique_key, errors, occurrence,
    metadata, error, failed_at
from {jobs_failed}
where name = %(name)s
    and id < coalesce(%(after)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    and (%(before)s::timestamptz is null or failed_at < %(before)s)
order by id desc
limit %(limit)s;

-- Their words are taken apart as in the index; the last one may be the beginning of a word.
select
    job.id, job.name, job.payload, job.priority, job.attempts, job.crashes,
    job.interruptions, job.reservations, job.created_at, job.available_at, job.reserved_at,
    job.reserved_by, job.unique_key, job.errors, job.occurrence, job.metadata, job.error,
    job.failed_at
from {jobs_failed} as job
where
    pg_catalog.to_tsvector(
        'pg_catalog.simple'::pg_catalog.regconfig,
        pg_catalog.regexp_replace(
            pg_catalog.substr(job.error, 1, 200), '[^[:alnum:]]+', ' ', 'g'
        )
    ) @@ (
        pg_catalog.plainto_tsquery(
            'pg_catalog.simple'::pg_catalog.regconfig,
            pg_catalog.regexp_replace(%(words)s, '[^[:alnum:]]+', ' ', 'g')
        )::text || ':*'
    )::pg_catalog.tsquery
    and (
        %(after)s::uuid is null
        or (job.failed_at, job.id) < (
            select last.failed_at, last.id from {jobs_failed} as last where last.id = %(after)s
        )
    )
    and (%(name)s::text is null or job.name = %(name)s)
    and (%(before)s::timestamptz is null or job.failed_at < %(before)s)
order by job.failed_at desc, job.id desc
limit %(limit)s;
