insert into {jobs_failed} (
    id, name, payload, priority, attempts, crashes, interruptions, reservations,
    created_at, available_at, reserved_at, reserved_by, unique_key, errors, occurrence,
    metadata, error, failed_at
)
select
    json_extract(job.value, '$[0]'), json_extract(job.value, '$[1]'),
    json_extract(job.value, '$[2]'), json_extract(job.value, '$[3]'),
    json_extract(job.value, '$[4]'), json_extract(job.value, '$[5]'),
    json_extract(job.value, '$[6]'), json_extract(job.value, '$[7]'),
    json_extract(job.value, '$[8]'), json_extract(job.value, '$[9]'),
    json_extract(job.value, '$[10]'), json_extract(job.value, '$[11]'),
    json_extract(job.value, '$[12]'), json_extract(job.value, '$[13]'),
    json_extract(job.value, '$[14]'), json_extract(job.value, '$[15]'),
    json_extract(job.value, '$[16]'), json_extract(job.value, '$[17]')
from json_each(:jobs) as job
where not exists (
    select 1 from {jobs} where id = json_extract(job.value, '$[0]')
) and not exists (
    select 1 from {jobs_succeeded} where id = json_extract(job.value, '$[0]')
)
order by job.key
on conflict (id) do nothing
returning id;
