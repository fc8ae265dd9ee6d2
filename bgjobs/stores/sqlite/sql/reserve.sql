-- A scan of the index that leaps from one (name, priority) to the next, then the first due rows
-- of each: the cost follows what is asked for, not what is stored. The index is pinned because
-- the planner, after ANALYZE, may prefer to read and sort everything.
with recursive levels (name, priority) as (
    select
        asked.value,
        (
            select priority from {jobs} indexed by {jobs_ready}
            where name = asked.value and reserved_by is null
            order by priority limit 1
        )
    from json_each(:names) as asked
    where exists (select 1 from {owners} where id = :owner and lease_expires_at > :now)
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
update {jobs} set
    reserved_at = :now,
    reserved_by = :owner,
    reservations = reservations + 1
where rowid in (
    select job.rowid
    from levels as level
    cross join json_each((
        select json_group_array(first.row) from (
            select rowid as row from {jobs} indexed by {jobs_ready}
            where name = level.name
                and priority = level.priority
                and available_at <= :now
                and reserved_by is null
            order by available_at, id
            limit :limit
        ) as first
    )) as candidate
    cross join {jobs} as job not indexed on job.rowid = candidate.value
    order by job.priority, job.available_at, job.id
    limit :limit
)
returning
    id, name, payload, priority, attempts, crashes, interruptions, reservations,
    created_at, available_at, reserved_at, reserved_by, unique_key, errors;
