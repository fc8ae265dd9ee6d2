-- `levels` leaps through the index from one (name, priority) to the next and gives the first
-- row of each. `best` merges these levels: it always gives the best row it knows and puts the
-- next row of the same level in its place. So the cost follows the rows taken and the names,
-- and not what is stored or one times the other. The index is pinned because the planner, after
-- ANALYZE, may prefer to read and sort everything.
with recursive levels (name, priority, available_at, id, row) as (
    select job.name, job.priority, job.available_at, job.id, job.rowid
    from json_each(:names) as asked
    cross join {jobs} as job not indexed on job.rowid = (
        select first.rowid from {jobs} as first indexed by {jobs_ready}
        where first.name = asked.value and first.reserved_by is null
        order by first.priority, first.available_at, first.id
        limit 1
    )
    where exists (select 1 from {owners} where id = :owner and lease_expires_at > :now)
    union all
    select job.name, job.priority, job.available_at, job.id, job.rowid
    from levels as level
    cross join {jobs} as job not indexed on job.rowid = (
        select first.rowid from {jobs} as first indexed by {jobs_ready}
        where first.name = level.name
            and first.priority > level.priority
            and first.reserved_by is null
        order by first.priority, first.available_at, first.id
        limit 1
    )
), best (name, priority, available_at, id, row) as (
    select name, priority, available_at, id, row from levels where available_at <= :now
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
    job.id, job.name, job.payload, job.priority,
    job.attempts, job.crashes, job.interruptions, job.reservations + 1,
    job.created_at, job.available_at, :now, :owner, job.unique_key, job.errors,
    job.occurrence, job.metadata
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
