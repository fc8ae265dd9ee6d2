-- name: enqueue
-- Stores new jobs in the order given. A job whose id is live, or whose unique key is taken, is not
-- stored; neither is one that has ended already, so that a repeated write does not run it twice.
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


-- name: find_holder
-- Returns the live job that has this id, else the one that holds this unique key.
select {job_columns}
from {jobs} where id = :id
union all
select {job_columns}
from {jobs} where name = :name and unique_key = :unique_key
limit 1;


-- name: find_unique
select {job_columns}
from {jobs} where name = :name and unique_key = :unique_key;


-- name: find_refused
-- Returns waiting rows that the database does not allow to be reserved, because a value is beyond
-- its bounds: an older version has stored it, or the reservation would be one too many. At most
-- fifty, as each may have two megabytes of text that can be read; the next call returns more.
select {job_columns}
from {jobs}
where name in (select value from json_each(:names))
    and reserved_by is null
    and not ({job_limits} and reservations < :most)
limit 50;
