delete from {cancellations} where job_id in (
    select asked.job_id from {cancellations} as asked
    where not exists (select 1 from {jobs} as job where job.id = asked.job_id)
);
