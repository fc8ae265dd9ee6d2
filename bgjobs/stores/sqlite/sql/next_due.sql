-- The default priority, and of the others, as in reserve.sql, those that had to wait by their
-- time and those that had not. Of these the first one is due already, unless the clock was set
-- back: only then it leaps from one priority to the next.
with recursive prompt (name, priority, available_at) as (
    select job.name, job.priority, job.available_at
    from json_each(:names) as asked
    cross join {jobs} as job not indexed on job.rowid = (
        select first.rowid from {jobs} as first indexed by {jobs_prompt}
        where first.name = asked.value
            and first.reserved_by is null
            and first.priority <> 0
            and first.available_at <= first.created_at
            and (:planned or first.occurrence is null)
        order by first.priority, first.available_at, first.id
        limit 1
    )
    union all
    select job.name, job.priority, job.available_at
    from prompt as level
    cross join {jobs} as job not indexed on job.rowid = (
        select first.rowid from {jobs} as first indexed by {jobs_prompt}
        where first.name = level.name
            and first.priority > level.priority
            and first.reserved_by is null
            and first.priority <> 0
            and first.available_at <= first.created_at
            and (:planned or first.occurrence is null)
        order by first.priority, first.available_at, first.id
        limit 1
    )
    where level.available_at > :now
)
-- Within what a datetime can say.
select min(max(min(available_at), -62135596800000000), 253402300799999999) from (
    select (
        select available_at from {jobs} indexed by {jobs_ready}
        where name = asked.value
            and priority = 0
            and reserved_by is null
            and (:planned or occurrence is null)
        order by available_at limit 1
    ) as available_at
    from json_each(:names) as asked
    union all
    select (
        select available_at from {jobs} indexed by {jobs_delayed}
        where name = asked.value
            and reserved_by is null
            and priority <> 0
            and available_at > created_at
            and (:planned or occurrence is null)
        order by available_at limit 1
    )
    from json_each(:names) as asked
    union all
    select available_at from prompt
);
