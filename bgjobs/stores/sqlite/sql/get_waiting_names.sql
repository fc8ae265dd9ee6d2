-- Leaps from one name to the next, as in count.sql.
with recursive names (name) as (
    select (
        select name from {jobs} indexed by {jobs_ready}
        where reserved_by is null order by name limit 1
    )
    union all
    select (
        select name from {jobs} indexed by {jobs_ready}
        where name > last.name and reserved_by is null order by name limit 1
    )
    from names as last where last.name is not null
    limit :limit + 1  -- the last row may be the null behind the last name
)
select name from names where name is not null limit :limit;
