select {job_columns}
from {jobs} where name = :name and unique_key = :unique_key;
