-- name: enqueue
-- Stores new jobs in the order given. A job whose id is live, or whose unique key is taken, is not
-- stored; neither is one that has ended already, so that a repeated write does not run it twice.
-- The limit keeps SQLite from merging the subquery, which would read each id anew for each lookup
-- (https://sqlite.org/optoverview.html#flattening).
insert into {jobs} (created_at, id, {enqueued_names})
select :now, {enqueued_values}
from (
    select value, json_extract(value, '$[0]') as id from json_each(:jobs) order by key limit -1
) as job
where not exists (select 1 from {jobs_succeeded} as ended where ended.id = job.id)
    and not exists (select 1 from {jobs_failed} as ended where ended.id = job.id)
    and not exists (select 1 from {jobs_cancelled} as ended where ended.id = job.id)
on conflict do nothing
returning id;


-- name: enqueue_plain
-- Stores one new job with the default options, unless its id is live.
insert into {jobs} (id, {plain_names})
values (?, ?, ?, 0, ?, ?)
on conflict do nothing;


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
