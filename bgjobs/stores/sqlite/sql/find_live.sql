-- The holder of an id goes before the holder of a unique key.
select {job_columns}
from {jobs} where id = :id
union all
select {job_columns}
from {jobs} where name = :name and unique_key = :unique_key
limit 1;
