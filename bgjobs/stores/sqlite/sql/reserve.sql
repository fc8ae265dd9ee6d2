-- name: find_due
-- Finds the due jobs that come first in the order (priority, available_at, id).
-- A level is the jobs of one worker with one priority: a sorted part of the index jobs_ready.
-- `levels` has each level with a due job, and is found without reading the levels that only have
-- delayed jobs:
-- - the default priority of each worker,
-- - from `leaps`, the levels in the index jobs_prompt of jobs that were due at once,
-- - from `late`, the levels of jobs that had to wait, by their time in the index jobs_delayed.
-- When `late` has so many due jobs that reading them all would cost more, `leaps` goes through the
-- levels of jobs_ready instead. As each level has a due job, :limit levels are enough.
-- `best` merges the levels: it takes the first row of all, and puts the next row of the same level
-- in its place. So the cost grows with the rows taken and the names, and not with their product or
-- with what is stored.
-- The indexes are pinned, because after ANALYZE the planner may prefer to read and sort everything
-- (https://sqlite.org/lang_indexedby.html).
with recursive asked (name) as materialized (
    select value from json_each(:names)
    where exists (select 1 from {owners} where id = :owner and lease_expires_at > :now)
), late (name, priority, available_at, id) as materialized (
    select
        asked.name, json_extract(found.value, '$[0]'), json_extract(found.value, '$[1]'),
        json_extract(found.value, '$[2]')
    -- A subquery, because for a join SQLite may read the whole index to build a Bloom filter.
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
    -- Two searches, because for a comparison of both columns in one, SQLite would read all rows
    -- of the same instant each time.
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
    -- In a recursive query this is the order in which rows leave the queue, not a sort at the
    -- end; the limit stops the recursion (https://sqlite.org/lang_with.html#recursivecte).
    order by 2, 3, 4
    limit :limit
)
-- The jobs as they will be after `reserve`, a hundred in each row: sqlite3 takes Python's lock for
-- each row that it fetches, and waiting for other threads took longer than all the rest.
select json_group_array(json_array({job_held of job})), json_group_array(job.rowid)
from (select row, row_number() over () as place from best) as picked
cross join {jobs} as job not indexed on job.rowid = picked.row
group by (picked.place - 1) / 100;


-- name: reserve
-- Reserves the rows that find_due has chosen, in the same transaction. It is a write transaction
-- from its beginning, so no other process can have reserved them meanwhile.
update {jobs} set
    reserved_at = :now,
    reserved_by = :owner,
    reservations = reservations + 1
where reserved_by is null and rowid in (
    select picked.value from json_each(:rows) as portion, json_each(portion.value) as picked
);


-- name: next_due
-- Reads the first job of the default priority of each worker, and of the other priorities the first
-- job that had to wait and the first that was due at once, as find_due does. The latter is due
-- already unless the clock was set back; only then the query goes on to the next priority.
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
-- Clamped to the range of a datetime.
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
-- Starts further in the future than the period is long are left out: the clock was set back.
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


-- name: forget_starts
-- Deletes the starts that are older than the period of their rate limit, and those that are so far
-- in the future that only a clock that was set back explains them.
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


-- name: record_starts
insert into {starts} (name, started_at) select value, :now from json_each(:names);
