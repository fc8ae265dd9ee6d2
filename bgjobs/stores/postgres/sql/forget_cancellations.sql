delete from {cancellations} where job_id in (
    select asked.job_id from {cancellations} as asked
    where not exists (select from {jobs} as job where job.id = asked.job_id)
    for update skip locked
);
