-- The first lines of the errors that failed last, to look for the beginning of a word in them.
select noted.number, found.summary
from {failures} as noted
cross join {failure_words} as found on found.rowid = noted.number
cross join {jobs_failed} as job on job.id = noted.job_id
where noted.number < coalesce(:number, 9223372036854775807)
    and not noted.is_gone
    and (:name is null or job.name = :name)
    and (:before is null or job.failed_at < :before)
order by noted.number desc
limit :limit;

select {failed_columns of job}, noted.number
from json_each(:numbers) as chosen
cross join {failures} as noted on noted.number = chosen.value
cross join {jobs_failed} as job on job.id = noted.job_id
order by noted.number desc;
