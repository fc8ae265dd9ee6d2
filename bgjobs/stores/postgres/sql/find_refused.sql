-- Rows of which the database refuses that they are reserved, because something in them is beyond
-- its bounds: the reservation would be one too many, or an older version has stored them.
-- Fifty at a time: each has up to two megabytes that can be read. The next reservation finds more.
select {job_columns}
from {jobs}
where name = any(%(names)s::text[])
    and reserved_by is null
    and not ({job_limits} and reservations < %(most)s)
limit 50;
