-- The rows of each table that its constraint would refuse, fifty at a time: each has up to two
-- megabytes that can be read.
select {job_columns}
from {jobs}
where not ({job_limits})
limit 50;

select {succeeded_columns}
from {jobs_succeeded}
where not ({succeeded_limits})
limit 50;

select {failed_columns}
from {jobs_failed}
where not ({failed_limits})
limit 50;
