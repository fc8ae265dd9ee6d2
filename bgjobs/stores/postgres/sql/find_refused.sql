-- Rows of which the database refuses that they are reserved, because something in them is beyond
-- its bounds: the reservation would be one too many, or an older version has stored them.
select {job_columns}
from {jobs}
where name = any(%(names)s::text[])
    and reserved_by is null
    and not ({job_limits} and reservations < %(most)s)
limit 100;
