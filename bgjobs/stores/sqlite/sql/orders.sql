-- The paused queues have no id; the jobs to be cancelled have a reason.
select null, name from {paused_queues}
union all
select asked.job_id, substr(asked.reason, 1, 1000)
from {cancellations} as asked cross join {jobs} as job on job.id = asked.job_id
where job.reserved_by in (select value from json_each(:owners));
