select {job_columns}
from {jobs}
where occurrence is not null
limit :limit;
