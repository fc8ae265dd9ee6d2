-- Leaps from one name to the next, as in count.sql.
with recursive names (name) as (
    select (select pg_catalog.min(job.name) from {jobs} as job where job.reserved_by is null)
    union all
    select (
        select pg_catalog.min(job.name) from {jobs} as job
        where job.name > last.name and job.reserved_by is null
    )
    from names as last where last.name is not null
)
select name from names where name is not null limit %(limit)s;
