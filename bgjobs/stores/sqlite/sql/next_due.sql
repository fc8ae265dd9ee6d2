-- Leaps from one (name, priority) to the next, as in reserve.sql.
with recursive levels (name, priority) as (
    select
        asked.value,
        (
            select priority from {jobs} indexed by {jobs_ready}
            where name = asked.value and reserved_by is null
            order by priority limit 1
        )
    from json_each(:names) as asked
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
select min((
    select available_at from {jobs} indexed by {jobs_ready}
    where name = level.name
        and priority = level.priority
        and reserved_by is null
        and (:planned or occurrence is null)
    order by available_at limit 1
))
from levels as level where level.priority is not null;
