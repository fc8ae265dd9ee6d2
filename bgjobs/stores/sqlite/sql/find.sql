select {job_columns}
from {jobs} where id = :id;

select {succeeded_columns}
from {jobs_succeeded} where id = :id;

select {failed_columns}
from {jobs_failed} where id = :id;
