-- name: enqueue
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


-- name: find_live
-- The holder of an id goes before the holder of a unique key.
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
-- Rows of which the database refuses that they are reserved, because something in them is beyond
-- its bounds: the reservation would be one too many, or an older version has stored them.
-- Fifty at a time: each has up to two megabytes that can be read. The next reservation finds more.
select {job_columns}
from {jobs}
where name in (select value from json_each(:names))
    and reserved_by is null
    and not ({job_limits} and reservations < :most)
limit 50;
