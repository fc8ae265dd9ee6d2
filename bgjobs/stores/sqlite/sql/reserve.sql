-- name: reserve
-- A level is what one worker has of one priority, a sorted run of the ready index. `levels`
-- finds those that have a due job, without a look at those that only have delayed ones: the
-- default priority; with `leaps` through their own index, those of the jobs that never had to
-- wait; by their time, those of the jobs that had to. Where so many of these are due that
-- reading them all would cost more, `leaps` goes from each level of the ready index to the next.
-- No more levels are wanted than jobs, because each has one at least.
-- `best` merges the levels: it always gives the best row it knows and puts the next row of the
-- same level in its place. So the cost follows the rows taken and the names, and not what is
-- stored or one times the other. The indexes are pinned because the planner, after ANALYZE, may
-- prefer to read and sort everything.
with recursive asked (name) as materialized (
    select value from json_each(:names)
    where exists (select 1 from {owners} where id = :owner and lease_expires_at > :now)
), late (name, priority, available_at, id) as materialized (
    select
        asked.name, json_extract(found.value, '$[0]'), json_extract(found.value, '$[1]'),
        json_extract(found.value, '$[2]')
    -- No join: for one with other conditions SQLite may read the whole index beforehand.
    from asked cross join json_each((
        select json_group_array(json_array(priority, available_at, id)) from (
            select priority, available_at, id from {jobs} indexed by {jobs_delayed}
            where name = asked.name
                and available_at <= :now
                and reserved_by is null
                and priority <> 0
                and available_at > created_at
            order by available_at
            limit 200
        )
    )) as found
    limit 200
), mode (has_many_late) as materialized (
    select count(*) = 200 from late
), leaps (name, priority, available_at, due) as (
    select job.name, job.priority, job.available_at, 0
    from mode cross join asked
    cross join {jobs} as job not indexed on job.rowid = case when has_many_late then (
        select first.rowid from {jobs} as first indexed by {jobs_ready}
        where first.name = asked.name and first.reserved_by is null
        order by first.priority, first.available_at, first.id
        limit 1
    ) else (
        select first.rowid from {jobs} as first indexed by {jobs_prompt}
        where first.name = asked.name
            and first.reserved_by is null
            and first.priority <> 0
            and first.available_at <= first.created_at
        order by first.priority, first.available_at, first.id
        limit 1
    ) end
    union all
    select job.name, job.priority, job.available_at, level.due + (level.available_at <= :now)
    from mode cross join leaps as level
    cross join {jobs} as job not indexed on job.rowid = case when has_many_late then (
        select first.rowid from {jobs} as first indexed by {jobs_ready}
        where first.name = level.name
            and first.priority > level.priority
            and first.reserved_by is null
        order by first.priority, first.available_at, first.id
        limit 1
    ) else (
        select first.rowid from {jobs} as first indexed by {jobs_prompt}
        where first.name = level.name
            and first.priority > level.priority
            and first.reserved_by is null
            and first.priority <> 0
            and first.available_at <= first.created_at
        order by first.priority, first.available_at, first.id
        limit 1
    ) end
    where level.due + (level.available_at <= :now) < :limit
), levels (name, priority) as (
    select name, 0 from asked
    union
    select name, priority from leaps where available_at <= :now
    union
    select name, priority from (
        select name, priority from late order by priority, available_at, id limit :limit
    )
), heads (name, priority, available_at, id, row) as (
    select job.name, job.priority, job.available_at, job.id, job.rowid
    from levels as level cross join {jobs} as job not indexed on job.rowid = (
        select first.rowid from {jobs} as first indexed by {jobs_ready}
        where first.name = level.name
            and first.priority = level.priority
            and first.available_at <= :now
            and first.reserved_by is null
        order by first.available_at, first.id
        limit 1
    )
), best (name, priority, available_at, id, row) as (
    select name, priority, available_at, id, row from heads
    union all
    select job.name, job.priority, job.available_at, job.id, job.rowid
    from best as last
    -- Two searches: for a comparison of both columns at once SQLite would read, each time, all
    -- rows of the same instant from the first.
    cross join {jobs} as job not indexed on job.rowid = coalesce(
        (
            select next.rowid from {jobs} as next indexed by {jobs_ready}
            where next.name = last.name
                and next.priority = last.priority
                and next.available_at = last.available_at
                and next.id > last.id
                and next.reserved_by is null
            order by next.id
            limit 1
        ),
        (
            select next.rowid from {jobs} as next indexed by {jobs_ready}
            where next.name = last.name
                and next.priority = last.priority
                and next.available_at > last.available_at
                and next.available_at <= :now
                and next.reserved_by is null
            order by next.available_at, next.id
            limit 1
        )
    )
    -- In a recursion this is the order in which rows are given and followed, not a sort at the
    -- end; the limit stops it.
    order by 2, 3, 4
    limit :limit
)
-- The jobs as they will be, a hundred in a row: Python waits for its lock at every row that
-- it fetches while other threads work, which took longer than all the rest.
select json_group_array(json_array(
    job.id, job.name, {limited job.payload}, job.priority,
    job.attempts, job.crashes, job.interruptions, job.reservations + 1,
    job.created_at, job.available_at, :now, :owner, {limited job.unique_key},
    {limited job.errors},
    {limited job.occurrence}, {limited job.metadata}
)), json_group_array(job.rowid)
from (select row, row_number() over () as place from best) as picked
cross join {jobs} as job not indexed on job.rowid = picked.row
group by (picked.place - 1) / 100;

update {jobs} set
    reserved_at = :now,
    reserved_by = :owner,
    reservations = reservations + 1
where reserved_by is null and rowid in (
    select picked.value from json_each(:rows) as portion, json_each(portion.value) as picked
);


-- name: next_due
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


-- name: use
-- A start that is further in the future than the period is long is none.
select
    asked.name,
    (
        select count(*) from {jobs} indexed by {jobs_reserved}
        where reserved_by is not null and name = asked.name
    ),
    (
        select count(*) from {starts}
        where name = asked.name
            and started_at > :now - asked.period
            and started_at <= :now + asked.period
    ),
    (
        select :now - min(started_at) from {starts}
        where name = asked.name
            and started_at > :now - asked.period
            and started_at <= :now + asked.period
    )
from (
    select json_extract(value, '$[0]') as name, json_extract(value, '$[1]') as period
    from json_each(:caps)
) as asked;


-- name: record_starts
delete from {starts} where rowid in (
    select old.rowid
    from json_each(:caps) as asked
    cross join {starts} as old indexed by {starts_by_name} on
        old.name = json_extract(asked.value, '$[0]')
        and old.started_at <= :now - json_extract(asked.value, '$[1]')
    union all
    select absurd.rowid
    from json_each(:caps) as asked
    cross join {starts} as absurd indexed by {starts_by_name} on
        absurd.name = json_extract(asked.value, '$[0]')
        and absurd.started_at > :now + json_extract(asked.value, '$[1]')
);

insert into {starts} (name, started_at) select value, :now from json_each(:names);
