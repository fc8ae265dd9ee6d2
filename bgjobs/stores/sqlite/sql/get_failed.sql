-- All, those of one worker, and those whose error has certain words.
select
    id, name, payload, priority, attempts, crashes, interruptions, reservations,
    created_at, available_at, reserved_at, reserved_by, unique_key, errors, occurrence,
    metadata, error, failed_at
from {jobs_failed}
where id < coalesce(:after, 'z') and (:before is null or failed_at < :before)
order by id desc
limit :limit;

select
    id, name, payload, priority, attempts, crashes, interruptions, reservations,
    created_at, available_at, reserved_at, reserved_by, unique_key, errors, occurrence,
    metadata, error, failed_at
from {jobs_failed} indexed by {jobs_failed_by_name}
where name = :name
    and id < coalesce(:after, 'z')
    and (:before is null or failed_at < :before)
order by id desc
limit :limit;

select
    job.id, job.name, job.payload, job.priority, job.attempts, job.crashes,
    job.interruptions, job.reservations, job.created_at, job.available_at, job.reserved_at,
    job.reserved_by, job.unique_key, job.errors, job.occurrence, job.metadata, job.error,
    job.failed_at
from {failure_words} as found
cross join {failures} as noted on noted.number = found.rowid
cross join {jobs_failed} as job on job.id = noted.job_id
where found.summary match :words
    and found.rowid < case
        when :after is null then 9223372036854775807
        else (select number from {failures} where job_id = :after and not is_gone)
    end
    and (:name is null or job.name = :name)
    and (:before is null or job.failed_at < :before)
order by found.rowid desc
limit :limit;

-- The same among the few of one worker.
select
    job.id, job.name, job.payload, job.priority, job.attempts, job.crashes,
    job.interruptions, job.reservations, job.created_at, job.available_at, job.reserved_at,
    job.reserved_by, job.unique_key, job.errors, job.occurrence, job.metadata, job.error,
    job.failed_at
from {jobs_failed} as job indexed by {jobs_failed_by_name}
cross join {failures} as noted indexed by {failures_by_job} on noted.job_id = job.id
cross join {failure_words} as found on found.rowid = noted.number
where job.name = :name
    and found.summary match :words
    and noted.number < case
        when :after is null then 9223372036854775807
        else (select number from {failures} where job_id = :after and not is_gone)
    end
    and (:before is null or job.failed_at < :before)
order by noted.number desc
limit :limit;
