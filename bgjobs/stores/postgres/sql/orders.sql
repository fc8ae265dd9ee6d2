-- The paused queues have no id; the jobs to be cancelled have a reason.
select null::uuid, name from {paused_queues}
union all
select asked.job_id, pg_catalog.left(asked.reason, 1000)
from {cancellations} as asked join {jobs} as job on job.id = asked.job_id
where job.reserved_by = any(%(owners)s::uuid[]);
