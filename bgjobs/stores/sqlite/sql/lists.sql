-- name: find_live
select {job_columns}
from {jobs} where id = :id;


-- name: find_succeeded
select {succeeded_columns}
from {jobs_succeeded} where id = :id;


-- name: find_failed
select {failed_columns}
from {jobs_failed} where id = :id;


-- name: find_cancelled
select {cancelled_columns}
from {jobs_cancelled} where id = :id;


-- name: find_ids
-- One statement, and so one snapshot: a job that moves from one table to another meanwhile is found
-- in one of them (https://sqlite.org/isolation.html).
select id from (
    select id from {jobs} where id between :first and :last order by id limit :limit
)
union
select id from (
    select id from {jobs_succeeded} where id between :first and :last order by id limit :limit
)
union
select id from (
    select id from {jobs_failed} where id between :first and :last order by id limit :limit
)
union
select id from (
    select id from {jobs_cancelled} where id between :first and :last order by id limit :limit
)
union
select id from (
    select id from {jobs_unreadable} where id between :first and :last order by id limit :limit
)
order by id
limit :limit;


-- name: list_waiting
-- No index has the waiting jobs in the order of their ids, so that rows are read in this order up to
-- :last. Without :is_delayed these are the rows of all live jobs.
select {job_columns}
from {jobs}
where id >= coalesce(:after, '')
    and id is not :after
    and id <= coalesce(:last, zeroblob(0))
    and (:is_delayed is null or (reserved_by is null and (available_at > :now) = :is_delayed))
    and (:name is null or name = :name)
    and (:before is null or created_at < :before)
    and (:since is null or created_at >= :since)
order by id
limit :limit offset :skip;


-- name: list_running
-- Reads the index of the reserved rows, of which there are few.
select {job_columns}
from {jobs} indexed by {jobs_reserved}
where reserved_by is not null
    and id >= coalesce(:after, '')
    and id is not :after
    and (:name is null or name = :name)
    and (:owners is null or reserved_by in (select value from json_each(:owners)))
    and (:before is null or created_at < :before)
    and (:since is null or created_at >= :since)
order by id
limit :limit offset :skip;


-- name: list_succeeded
-- A condition whose parameter is null reads no row: without all of them, ids alone are read.
select {succeeded_columns}
from {jobs_succeeded}
where id < coalesce(:after, zeroblob(0))
    and id >= coalesce(:last, '')
    and (:owners is null or reserved_by in (select value from json_each(:owners)))
    and (:before is null or created_at < :before)
    and (:since is null or created_at >= :since)
order by id desc
limit :limit offset :skip;


-- name: list_worker_succeeded
-- As list_succeeded, along the ids of one worker.
select {succeeded_columns}
from {jobs_succeeded} indexed by {jobs_succeeded_by_name}
where name = :name
    and id < coalesce(:after, zeroblob(0))
    and id >= coalesce(:last, '')
    and (:owners is null or reserved_by in (select value from json_each(:owners)))
    and (:before is null or created_at < :before)
    and (:since is null or created_at >= :since)
order by id desc
limit :limit offset :skip;


-- name: list_failed
-- As list_succeeded.
select {failed_columns}
from {jobs_failed}
where id < coalesce(:after, zeroblob(0))
    and id >= coalesce(:last, '')
    and (:owners is null or reserved_by in (select value from json_each(:owners)))
    and (:before is null or created_at < :before)
    and (:since is null or created_at >= :since)
order by id desc
limit :limit offset :skip;


-- name: list_worker_failed
-- As list_succeeded, along the ids of one worker.
select {failed_columns}
from {jobs_failed} indexed by {jobs_failed_by_name}
where name = :name
    and id < coalesce(:after, zeroblob(0))
    and id >= coalesce(:last, '')
    and (:owners is null or reserved_by in (select value from json_each(:owners)))
    and (:before is null or created_at < :before)
    and (:since is null or created_at >= :since)
order by id desc
limit :limit offset :skip;


-- name: list_cancelled
-- As list_succeeded.
select {cancelled_columns}
from {jobs_cancelled}
where id < coalesce(:after, zeroblob(0))
    and id >= coalesce(:last, '')
    and (:owners is null or reserved_by in (select value from json_each(:owners)))
    and (:before is null or created_at < :before)
    and (:since is null or created_at >= :since)
order by id desc
limit :limit offset :skip;


-- name: list_worker_cancelled
-- As list_succeeded, along the ids of one worker.
select {cancelled_columns}
from {jobs_cancelled} indexed by {jobs_cancelled_by_name}
where name = :name
    and id < coalesce(:after, zeroblob(0))
    and id >= coalesce(:last, '')
    and (:owners is null or reserved_by in (select value from json_each(:owners)))
    and (:before is null or created_at < :before)
    and (:since is null or created_at >= :since)
order by id desc
limit :limit offset :skip;


-- name: search_failed
-- Searches the index of words and joins the failed jobs, the last that failed first.
select {failed_columns of job}, noted.number
from {failure_words} as found
cross join {failures} as noted on noted.number = found.rowid
cross join {jobs_failed} as job on job.id = noted.job_id
where found.summary match :words
    and found.rowid < coalesce(:number, 9223372036854775807)
    and found.rowid >= coalesce(:last, 0)
    and (:name is null or job.name = :name)
    and (:owners is null or job.reserved_by in (select value from json_each(:owners)))
    and (:before is null or job.created_at < :before)
    and (:since is null or job.created_at >= :since)
order by found.rowid desc
limit :limit offset :skip;


-- name: search_worker_failed
-- The same for a worker with few failed jobs: goes along these, and looks up the words of each.
select {failed_columns of job}, noted.number
from {jobs_failed} as job indexed by {jobs_failed_by_name}
cross join {failures} as noted indexed by {failures_by_job} on noted.job_id = job.id
cross join {failure_words} as found on found.rowid = noted.number
where job.name = :name
    and found.summary match :words
    and noted.number < coalesce(:number, 9223372036854775807)
    and (:owners is null or job.reserved_by in (select value from json_each(:owners)))
    and (:before is null or job.created_at < :before)
    and (:since is null or job.created_at >= :since)
order by noted.number desc
limit :limit;


-- name: get_last_summaries
-- Returns the first lines of the errors of the jobs that failed last, in which the beginning of a
-- word is looked for without the index.
select noted.number, found.summary
from {failures} as noted
cross join {failure_words} as found on found.rowid = noted.number
where noted.number < coalesce(:number, 9223372036854775807)
    and not noted.is_gone
order by noted.number desc
limit :limit;


-- name: get_numbered_failures
-- Returns the failed jobs that have these numbers in the index of words.
select {failed_columns of job}, noted.number
from json_each(:numbers) as chosen
cross join {failures} as noted on noted.number = chosen.value
cross join {jobs_failed} as job on job.id = noted.job_id
where (:name is null or job.name = :name)
    and (:owners is null or job.reserved_by in (select value from json_each(:owners)))
    and (:before is null or job.created_at < :before)
    and (:since is null or job.created_at >= :since)
order by noted.number desc
limit :limit;


-- name: get_occurrences
select {job_columns}
from {jobs} indexed by {jobs_occurrences}
where occurrence is not null
    and substr(unique_key, 1, 9) = 'schedule:'
    and id >= coalesce(:after, '')
    and id is not :after
order by id
limit :limit;
