-- In the order in which a job moves, so that none is missed on its way.
select {job_columns}
from {jobs} where id = %(id)s;

select {succeeded_columns}
from {jobs_succeeded} where id = %(id)s;

select {failed_columns}
from {jobs_failed} where id = %(id)s;
