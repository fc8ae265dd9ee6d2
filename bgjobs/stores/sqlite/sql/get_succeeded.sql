-- All, and those of one worker.
select {succeeded_columns}
from {jobs_succeeded}
where id < coalesce(:after, zeroblob(0))
order by id desc
limit :limit;

select {succeeded_columns}
from {jobs_succeeded} indexed by {jobs_succeeded_by_name}
where name = :name and id < coalesce(:after, zeroblob(0))
order by id desc
limit :limit;
