-- A job that has ended meanwhile is not stored again: a repeated write must not run it twice.
insert into {jobs} (
    id, name, payload, priority, created_at, available_at, unique_key, occurrence, metadata
)
select
    json_extract(job.value, '$[0]'), json_extract(job.value, '$[1]'),
    json_extract(job.value, '$[2]'), json_extract(job.value, '$[3]'),
    :now, json_extract(job.value, '$[4]'), json_extract(job.value, '$[5]'),
    json_extract(job.value, '$[6]'), json_extract(job.value, '$[7]')
from json_each(:jobs) as job
where not exists (
    select 1 from {jobs_succeeded} where id = json_extract(job.value, '$[0]')
) and not exists (
    select 1 from {jobs_failed} where id = json_extract(job.value, '$[0]')
)
order by job.key
on conflict do nothing
returning id;
