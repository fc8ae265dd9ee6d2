select {job_columns}
from {jobs} where name = %(name)s and unique_key = %(unique_key)s;
