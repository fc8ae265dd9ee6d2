-- name: count_levels
-- Goes from each (name, priority) to the next one, as reserve.sql does.
with recursive names (name) as (
    select value from json_each(:names)
    union all
    select (
        select name from {jobs} indexed by {jobs_ready}
        where reserved_by is null order by name limit 1
    )
    where :names is null
    union all
    select (
        select name from {jobs} indexed by {jobs_ready}
        where name > last.name and reserved_by is null order by name limit 1
    )
    from names as last where :names is null and last.name is not null
), levels (name, priority) as (
    select
        asked.name,
        (
            select priority from {jobs} indexed by {jobs_ready}
            where name = asked.name and reserved_by is null
            order by priority limit 1
        )
    from names as asked where asked.name is not null
    union all
    select
        level.name,
        (
            select priority from {jobs} indexed by {jobs_ready}
            where name = level.name and priority > level.priority and reserved_by is null
            order by priority limit 1
        )
    from levels as level where level.priority is not null
)
select name, priority from levels where priority is not null;


-- name: count_due
-- The name was read from a row, and may not be valid UTF-8.
select count(*) from (
    select 1 from {jobs} indexed by {jobs_ready}
    where name = cast(:name as text)
        and priority = :priority
        and available_at <= :now
        and reserved_by is null
    limit :left
);


-- name: count_delayed
select count(*) from (
    select 1 from {jobs} indexed by {jobs_ready}
    where name = cast(:name as text)
        and priority = :priority
        and available_at > :now
        and reserved_by is null
    limit :left
);


-- name: count_others
select
    (
        select count(*) from (
            select 1 from {jobs} indexed by {jobs_reserved}
            where reserved_by is not null
                and (:names is null or name in (select value from json_each(:names)))
            limit :at_most
        )
    ),
    (
        select count(*) from (
            select 1 from {jobs_succeeded} where :names is null
            union all
            select 1
            from json_each(:names) as asked
            cross join {jobs_succeeded} as job indexed by {jobs_succeeded_by_name} on
                job.name = asked.value
            limit :at_most
        )
    ),
    (
        select count(*) from (
            select 1 from {jobs_failed} where :names is null
            union all
            select 1
            from json_each(:names) as asked
            cross join {jobs_failed} as job indexed by {jobs_failed_by_name} on
                job.name = asked.value
            limit :at_most
        )
    ),
    (
        select count(*) from (
            select 1 from {jobs_cancelled} where :names is null
            union all
            select 1
            from json_each(:names) as asked
            cross join {jobs_cancelled} as job indexed by {jobs_cancelled_by_name} on
                job.name = asked.value
            limit :at_most
        )
    );


-- name: count_failed
-- Counts the failed jobs of one worker up to a limit, from the index alone.
select count(*) from (
    select 1 from {jobs_failed} indexed by {jobs_failed_by_name}
    where name = :name
    limit :at_most
);


-- name: get_waiting_names
-- Goes from each name to the next one in the index, as in count.
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
    limit :limit + 1  -- the last row may be the null that follows the last name
)
select name from names where name is not null limit :limit;
