-- name: find_live
-- The tables are read in the order in which a job moves through them, so that none is missed.
select {job_columns}, coalesce(%(now)s::timestamptz, statement_timestamp())
from {jobs} where id = %(id)s;


-- name: find_succeeded
select {succeeded_columns}
from {jobs_succeeded} where id = %(id)s;


-- name: find_failed
select {failed_columns}
from {jobs_failed} where id = %(id)s;


-- name: find_cancelled
select {cancelled_columns}
from {jobs_cancelled} where id = %(id)s;


-- name: find_ids
-- All tables in one statement, so that a job that moves from one to another is not missed.
select id from (
    (
        select id from {jobs} where id between %(first)s and %(last)s
        order by id limit %(limit)s
    )
    union
    (
        select id from {jobs_succeeded} where id between %(first)s and %(last)s
        order by id limit %(limit)s
    )
    union
    (
        select id from {jobs_failed} where id between %(first)s and %(last)s
        order by id limit %(limit)s
    )
    union
    (
        select id from {jobs_cancelled} where id between %(first)s and %(last)s
        order by id limit %(limit)s
    )
    union
    (
        select id from {jobs_unreadable} where id between %(first)s and %(last)s
        order by id limit %(limit)s
    )
) as found
order by id
limit %(limit)s;


-- name: list_waiting
-- Every list reads an index up to the id `until`: see `Listings`. Inside, there are only the conditions
-- that have an index, in the order of this index, and with a limit: with the other conditions beside
-- them, the planner takes the rows for few, and sorts all of them first. It does so at least where it
-- plans without the values: https://www.postgresql.org/docs/current/sql-prepare.html#SQL-PREPARE-NOTES
select {job_columns of job}
from (
    select * from {jobs}
    where reserved_by is null
        and id >= coalesce(%(after)s::uuid, '00000000-0000-0000-0000-000000000000')
        and id is distinct from %(after)s
        and id <= coalesce(%(until)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    order by id
    limit %(examined)s
) as job
where (
        %(delayed)s::boolean is null
        or (job.available_at > coalesce(%(now)s::timestamptz, now())) = %(delayed)s
    )
    and (%(name)s::text is null or job.name = %(name)s)
    and (%(before)s::timestamptz is null or job.created_at < %(before)s)
    and (%(since)s::timestamptz is null or job.created_at >= %(since)s)
order by job.id
limit %(limit)s offset %(skip)s;


-- name: list_running
-- Running jobs are few among many. "offset 0" keeps the planner from looking for them by id.
select {job_columns of job}
from (
    select * from {jobs}
    where reserved_by is not null
        and reserved_by >= coalesce(%(owner)s::uuid, '00000000-0000-0000-0000-000000000000')
        and reserved_by <= coalesce(%(owner)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    offset 0
) as job
where job.id >= coalesce(%(after)s::uuid, '00000000-0000-0000-0000-000000000000')
    and job.id is distinct from %(after)s
    and job.id <= coalesce(%(until)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    and (%(name)s::text is null or job.name = %(name)s)
    and (%(queue)s::text is null or job.reserved_by in (
        select one.id from {owners} as one where one.name = %(queue)s
        union all
        select one.id from {past_owners} as one where one.name = %(queue)s
    ))
    and (%(before)s::timestamptz is null or job.created_at < %(before)s)
    and (%(since)s::timestamptz is null or job.created_at >= %(since)s)
order by job.id
limit %(limit)s offset %(skip)s;


-- name: list_succeeded
select {succeeded_columns of job}
from (
    select * from {jobs_succeeded}
    where id <= coalesce(%(after)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
        and id is distinct from %(after)s
        and id >= coalesce(%(until)s::uuid, '00000000-0000-0000-0000-000000000000')
    order by id desc
    limit %(examined)s
) as job
where (%(owner)s::uuid is null or job.reserved_by = %(owner)s)
    and (%(queue)s::text is null or job.reserved_by in (
        select one.id from {owners} as one where one.name = %(queue)s
        union all
        select one.id from {past_owners} as one where one.name = %(queue)s
    ))
    and (%(before)s::timestamptz is null or job.created_at < %(before)s)
    and (%(since)s::timestamptz is null or job.created_at >= %(since)s)
order by job.id desc
limit %(limit)s offset %(skip)s;


-- name: list_worker_succeeded
-- Only the index by name and id has the order of this comparison. With "name =" and the order of ids alone,
-- the planner could read the index by id, and with it all rows where the worker has few.
select {succeeded_columns of job}
from (
    select * from {jobs_succeeded}
    where
        (name, id) <= (
            %(name)s, coalesce(%(after)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
        )
        and id is distinct from %(after)s
        and (name, id) >= (
            %(name)s, coalesce(%(until)s::uuid, '00000000-0000-0000-0000-000000000000')
        )
    order by name desc, id desc
    limit %(examined)s
) as job
where (%(owner)s::uuid is null or job.reserved_by = %(owner)s)
    and (%(queue)s::text is null or job.reserved_by in (
        select one.id from {owners} as one where one.name = %(queue)s
        union all
        select one.id from {past_owners} as one where one.name = %(queue)s
    ))
    and (%(before)s::timestamptz is null or job.created_at < %(before)s)
    and (%(since)s::timestamptz is null or job.created_at >= %(since)s)
order by job.name desc, job.id desc
limit %(limit)s offset %(skip)s;


-- name: list_failed
select {failed_columns of job}
from (
    select * from {jobs_failed}
    where id <= coalesce(%(after)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
        and id is distinct from %(after)s
        and id >= coalesce(%(until)s::uuid, '00000000-0000-0000-0000-000000000000')
    order by id desc
    limit %(examined)s
) as job
where (%(owner)s::uuid is null or job.reserved_by = %(owner)s)
    and (%(queue)s::text is null or job.reserved_by in (
        select one.id from {owners} as one where one.name = %(queue)s
        union all
        select one.id from {past_owners} as one where one.name = %(queue)s
    ))
    and (%(before)s::timestamptz is null or job.created_at < %(before)s)
    and (%(since)s::timestamptz is null or job.created_at >= %(since)s)
order by job.id desc
limit %(limit)s offset %(skip)s;


-- name: list_worker_failed
select {failed_columns of job}
from (
    select * from {jobs_failed}
    where
        (name, id) <= (
            %(name)s, coalesce(%(after)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
        )
        and id is distinct from %(after)s
        and (name, id) >= (
            %(name)s, coalesce(%(until)s::uuid, '00000000-0000-0000-0000-000000000000')
        )
    order by name desc, id desc
    limit %(examined)s
) as job
where (%(owner)s::uuid is null or job.reserved_by = %(owner)s)
    and (%(queue)s::text is null or job.reserved_by in (
        select one.id from {owners} as one where one.name = %(queue)s
        union all
        select one.id from {past_owners} as one where one.name = %(queue)s
    ))
    and (%(before)s::timestamptz is null or job.created_at < %(before)s)
    and (%(since)s::timestamptz is null or job.created_at >= %(since)s)
order by job.name desc, job.id desc
limit %(limit)s offset %(skip)s;


-- name: list_cancelled
select {cancelled_columns of job}
from (
    select * from {jobs_cancelled}
    where id <= coalesce(%(after)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
        and id is distinct from %(after)s
        and id >= coalesce(%(until)s::uuid, '00000000-0000-0000-0000-000000000000')
    order by id desc
    limit %(examined)s
) as job
where (%(owner)s::uuid is null or job.reserved_by = %(owner)s)
    and (%(queue)s::text is null or job.reserved_by in (
        select one.id from {owners} as one where one.name = %(queue)s
        union all
        select one.id from {past_owners} as one where one.name = %(queue)s
    ))
    and (%(before)s::timestamptz is null or job.created_at < %(before)s)
    and (%(since)s::timestamptz is null or job.created_at >= %(since)s)
order by job.id desc
limit %(limit)s offset %(skip)s;


-- name: list_worker_cancelled
select {cancelled_columns of job}
from (
    select * from {jobs_cancelled}
    where
        (name, id) <= (
            %(name)s, coalesce(%(after)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
        )
        and id is distinct from %(after)s
        and (name, id) >= (
            %(name)s, coalesce(%(until)s::uuid, '00000000-0000-0000-0000-000000000000')
        )
    order by name desc, id desc
    limit %(examined)s
) as job
where (%(owner)s::uuid is null or job.reserved_by = %(owner)s)
    and (%(queue)s::text is null or job.reserved_by in (
        select one.id from {owners} as one where one.name = %(queue)s
        union all
        select one.id from {past_owners} as one where one.name = %(queue)s
    ))
    and (%(before)s::timestamptz is null or job.created_at < %(before)s)
    and (%(since)s::timestamptz is null or job.created_at >= %(since)s)
order by job.name desc, job.id desc
limit %(limit)s offset %(skip)s;


-- name: search_failed
-- Failed jobs whose error has these words, the last that failed first. The suffix is ":*" if the last word
-- is a prefix. The words are split as in the index `jobs_failed_words`; if none is left, because
-- the locale of the database has no such letters, nothing is found.
-- `recent` looks for frequent words among the latest failures and fills a page without the index,
-- which would return every match. If the page is not full, the words are rare and the index has few
-- matches: `found`.
-- https://www.postgresql.org/docs/current/textsearch-tables.html
-- The last column is whether a job has the properties that no index finds. The other jobs are returned
-- too, because the next page begins after the last of them.
with asked as materialized (
    select (
        nullif(
            pg_catalog.plainto_tsquery(
                'pg_catalog.simple'::pg_catalog.regconfig,
                pg_catalog.regexp_replace(%(words)s, '[^[:alnum:]]+', ' ', 'g')
            )::text,
            ''
        ) || %(suffix)s
    )::pg_catalog.tsquery as query
), recent as materialized (
    select job.failed_at, job.id
    from (
        select near.id, near.failed_at, near.name, near.error
        from (
            select id, failed_at, name, error from {jobs_failed}
            where (failed_at, id) < (
                    coalesce(%(at)s::timestamptz, 'infinity'),
                    coalesce(%(after)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
                )
            order by failed_at desc, id desc
            limit 20000
        ) as near
        where %(name)s::text is null or near.name = %(name)s
        order by near.failed_at desc, near.id desc
        limit 1000
    ) as job
    where
        pg_catalog.to_tsvector(
            'pg_catalog.simple'::pg_catalog.regconfig,
            pg_catalog.regexp_replace(
                pg_catalog.split_part(
                    pg_catalog.substr(job.error, 1, 200), pg_catalog.chr(10), 1
                ),
                '[^[:alnum:]]+', ' ', 'g'
            )
        ) @@ (select query from asked)
    order by job.failed_at desc, job.id desc
    limit %(limit)s
), enough as (
    select from recent having count(*) = %(limit)s
), found as materialized (
    select job.failed_at, job.id, job.name
    from {jobs_failed} as job
    where not exists (select from enough)
        and pg_catalog.to_tsvector(
            'pg_catalog.simple'::pg_catalog.regconfig,
            pg_catalog.regexp_replace(
                pg_catalog.split_part(
                    pg_catalog.substr(job.error, 1, 200), pg_catalog.chr(10), 1
                ),
                '[^[:alnum:]]+', ' ', 'g'
            )
        ) @@ (select query from asked)
), chosen as (
    select failed_at, id from recent where exists (select from enough)
    union all
    (
        select failed_at, id from found
        where (failed_at, id) < (
                coalesce(%(at)s::timestamptz, 'infinity'),
                coalesce(%(after)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
            )
            and (%(name)s::text is null or name = %(name)s)
        order by failed_at desc, id desc
        limit %(limit)s
    )
)
select
    {failed_columns of job}, chosen.failed_at,
    (
        (%(owner)s::uuid is null or job.reserved_by = %(owner)s)
        and (%(queue)s::text is null or job.reserved_by in (
            select one.id from {owners} as one where one.name = %(queue)s
            union all
            select one.id from {past_owners} as one where one.name = %(queue)s
        ))
        and (%(before)s::timestamptz is null or job.created_at < %(before)s)
        and (%(since)s::timestamptz is null or job.created_at >= %(since)s)
    )
from chosen join {jobs_failed} as job on job.id = chosen.id
order by chosen.failed_at desc, chosen.id desc;


-- name: search_worker_failed
-- For a worker with few failed jobs, whose words are compared without an index.
with own as materialized (
    select * from {jobs_failed} where name = %(name)s
)
select {failed_columns of job}, job.failed_at, true
from own as job
where
    pg_catalog.to_tsvector(
        'pg_catalog.simple'::pg_catalog.regconfig,
        pg_catalog.regexp_replace(
            pg_catalog.split_part(
                pg_catalog.substr(job.error, 1, 200), pg_catalog.chr(10), 1
            ),
            '[^[:alnum:]]+', ' ', 'g'
        )
    ) @@ (
        nullif(
            pg_catalog.plainto_tsquery(
                'pg_catalog.simple'::pg_catalog.regconfig,
                pg_catalog.regexp_replace(%(words)s, '[^[:alnum:]]+', ' ', 'g')
            )::text,
            ''
        ) || %(suffix)s
    )::pg_catalog.tsquery
    and (job.failed_at, job.id) < (
        coalesce(%(at)s::timestamptz, 'infinity'),
        coalesce(%(after)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    )
    and (%(owner)s::uuid is null or job.reserved_by = %(owner)s)
    and (%(queue)s::text is null or job.reserved_by in (
        select one.id from {owners} as one where one.name = %(queue)s
        union all
        select one.id from {past_owners} as one where one.name = %(queue)s
    ))
    and (%(before)s::timestamptz is null or job.created_at < %(before)s)
    and (%(since)s::timestamptz is null or job.created_at >= %(since)s)
order by job.failed_at desc, job.id desc
limit %(limit)s;


-- name: get_occurrences
-- The jobs of scheduled jobs. The condition on `occurrence` is that of the index `jobs_occurrences`.
select {job_columns}, statement_timestamp()
from {jobs}
where occurrence is not null
    and pg_catalog.starts_with(unique_key, 'schedule:')
    and id > coalesce(%(after)s::uuid, '00000000-0000-0000-0000-000000000000')
order by id
limit %(limit)s;
