-- All, those of one worker, and those whose error has certain words.
select {failed_columns}
from {jobs_failed}
where id < coalesce(:after, zeroblob(0)) and (:before is null or failed_at < :before)
order by id desc
limit :limit;

select {failed_columns}
from {jobs_failed} indexed by {jobs_failed_by_name}
where name = :name
    and id < coalesce(:after, zeroblob(0))
    and (:before is null or failed_at < :before)
order by id desc
limit :limit;

select {failed_columns of job}, noted.number
from {failure_words} as found
cross join {failures} as noted on noted.number = found.rowid
cross join {jobs_failed} as job on job.id = noted.job_id
where found.summary match :words
    and found.rowid < coalesce(:number, 9223372036854775807)
    and (:name is null or job.name = :name)
    and (:before is null or job.failed_at < :before)
order by found.rowid desc
limit :limit;

-- The same among the few of one worker.
select {failed_columns of job}, noted.number
from {jobs_failed} as job indexed by {jobs_failed_by_name}
cross join {failures} as noted indexed by {failures_by_job} on noted.job_id = job.id
cross join {failure_words} as found on found.rowid = noted.number
where job.name = :name
    and found.summary match :words
    and noted.number < coalesce(:number, 9223372036854775807)
    and (:before is null or job.failed_at < :before)
order by noted.number desc
limit :limit;
