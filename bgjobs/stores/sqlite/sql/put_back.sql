-- What is set apart, with whole texts, to see whether it can be read by now.
select id, origin, job_id, {unreadable_columns of one}
from {jobs_unreadable} as one
where id in (select value from json_each(:ids));

-- Waiting jobs again, as those that are retried. What ran for a schedule runs beside it.
insert into {jobs} (
    id, name, payload, priority, reservations, created_at, available_at, unique_key, errors,
    metadata
)
select
    job_id, name, payload, priority, reservations, created_at, :now,
    case when occurrence is null then unique_key end, errors, metadata
from {jobs_unreadable}
where id in (select value from json_each(:ids))
    and origin <> 'jobs_succeeded'
    and not exists (select 1 from {jobs_succeeded} as ended where ended.id = job_id)
    and not exists (select 1 from {jobs_failed} as ended where ended.id = job_id)
on conflict do nothing
returning id;

-- What had succeeded does not run again.
insert into {jobs_succeeded} (id, {succeeded_names})
select job_id, {succeeded_names}
from {jobs_unreadable}
where id in (select value from json_each(:ids)) and origin = 'jobs_succeeded'
    and not exists (select 1 from {jobs} as live where live.id = job_id)
    and not exists (select 1 from {jobs_failed} as ended where ended.id = job_id)
on conflict do nothing
returning id;

delete from {jobs_unreadable}
where id in (select value from json_each(:ids))
    and job_id in (select value from json_each(:stored))
returning id;
