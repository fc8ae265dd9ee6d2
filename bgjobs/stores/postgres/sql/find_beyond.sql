-- The rows of each table that its constraint would refuse, some at a time.
select {job_columns}
from {jobs}
where not ({job_limits})
limit 1000;

select {succeeded_columns}
from {jobs_succeeded}
where not ({succeeded_limits})
limit 1000;

select {failed_columns}
from {jobs_failed}
where not ({failed_limits})
limit 1000;
